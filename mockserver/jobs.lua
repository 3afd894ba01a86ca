-- What happens to a tenant's jobs: they come, are looked at, are cut short, and leave.

local function mark(name, score, member)
  if score then zadd(name, score, member) else call('ZREM', at(name), member) end
end

-- Writes down the marks of a job's timeline, and what follows from them.
local function place(job)
  call('HSET', at('job:' .. job.id), 'held', job.held and text(job.held) or '', 'starts',
    job.starts and text(job.starts) or '', 'ends', job.ends and text(job.ends) or '', 'final', job.final)
  mark('starts', job.starts, job.id)
  mark('ends', job.ends, job.id)
  mark('refunds', job.final ~= SUCCEEDED and job.ends or nil, refund_of(job))
  expect(job)
end

-- What has ended is kept among those that are done, in order of submission.
local function prune(now)
  call('ZREMRANGEBYSCORE', at('starts'), '-inf', text(now))
  for _, id in ipairs(call('ZRANGEBYSCORE', at('ends'), '-inf', text(now))) do
    call('ZREM', at('ends'), id)
    local order = call('ZSCORE', at('going'), id)
    if order then
      call('ZREM', at('going'), id)
      zadd('done', tonumber(order), id)
    end
  end
end

local function reschedule(provider, now)
  prune(now)
  local capacity = tonumber(call('HGET', T, 'capacity:' .. provider) or nil)
  if not capacity then return end
  local going = {}
  for _, id in ipairs(call('ZRANGE', at('going'), 0, -1)) do
    local job = load(id)
    if job and job.provider == provider then going[#going + 1] = job end
  end
  for _, job in ipairs(schedule(going, capacity, now)) do
    retime(job)
    place(job)
  end
end

-- Ends a job: the first interruption is written, a second never.
local function cut(job, now, phase, failure)
  local key = at('job:' .. job.id)
  if call('HSETNX', key, 'cut_at', text(now)) == 0 then return end
  call('HSET', key, 'cut_phase', phase, 'cut_failure', failure)
  job.ends, job.final = now, tonumber(phase)
  if job.starts and job.starts > now then job.starts = nil end
  call('HDEL', key, 'polled')
  place(job)
  reschedule(job.provider, now)
  keep(key)
  touch()
  release()
  tell('g')
end

local function drop(job)
  for _, name in ipairs({'jobs', 'going', 'done', 'starts', 'ends'}) do call('ZREM', at(name), job.id) end
  local key, outcome = at('job:' .. job.id), call('HGET', at('job:' .. job.id), 'outcome')
  if outcome and outcome ~= 'w' then
    call('RENAME', key, at('sent:' .. job.id))  -- the record of what was delivered is bounded by itself
  else
    forget(job.id)
    call('UNLINK', key)
  end
  if job.weight > 0 then call('HINCRBY', T, 'weight', -job.weight) end
end

-- The first jobs of a set go: so many, and so many more that they have this weight. Whether there were any.
local function drop_oldest(name, count, weight, spared)
  local from, any = 0, false
  while count > 0 or weight > 0 do
    local ids = call('ZRANGE', at(name), from, from + 99)
    if #ids == 0 then break end
    for _, id in ipairs(ids) do
      local job = load(id)
      if count <= 0 and weight <= 0 then break end
      if not job then
        drop({id = id, weight = 0})
        count = count - 1
      elseif spared and call('HGET', at('job:' .. id), 'outcome') == 'w' then
        from = from + 1
      else
        drop(job)
        count, weight, any = count - 1, weight - job.weight, true
      end
    end
  end
  return any
end

-- Drops a hundredth of a bound at once, so that the search for finished jobs is paid for rarely.
local function make_room(now)
  local count = call('ZCARD', at('jobs')) - JOBS
  local weight = tonumber(call('HGET', T, 'weight') or 0) - PICTURES
  if count <= 0 and weight <= 0 then return end
  prune(now)
  local more = count > 0 and math.floor(JOBS / 100) or 0
  local heavier = weight > 0 and math.floor(PICTURES / 100) or 0
  if not drop_oldest('done', count + more, weight + heavier, true) then drop_oldest('jobs', count, weight, false) end
end

local function turn(provider, now)
  local ordinal = tonumber(call('HGET', T, 'ordinal') or 0)
  settle_refunds(now)
  local spent = tonumber(call('HGET', T, 'spent:' .. provider) or 0)
  return {text(now), wall, ordinal, read_clock().gen, text(spent), images_in(provider, now), clock_fields()}
end

-- ARGV: provider; of the turn that the job was made from ordinal and gen; the job's id, base, submitted, queue_time,
-- run_time, final, price, images, hook, weight, polls, plan's final and failure; capacity. Without a job, or with one
-- made from what is so no more, it answers with the turn as it is.
function ops.submit()
  local provider, ordinal, id = ARGV[4], tonumber(ARGV[5]), ARGV[7]
  local now = shows()
  local current = turn(provider, now)
  local c = read_clock()
  if not id then return {0, current} end
  local submitted = tonumber(ARGV[9])
  local last = tonumber(call('HGET', T, 'last') or 0)
  if ordinal ~= current[3] or tonumber(ARGV[6]) ~= c.gen or submitted > now or submitted < last
      or (c.rate == 0 and submitted ~= now) or submitted < now - LATE * c.rate then
    return {0, current}
  end
  touch()
  local job = {
    id = id, provider = provider, order = ordinal, submitted = submitted, queue_time = tonumber(ARGV[10]),
    run_time = tonumber(ARGV[11]), final = tonumber(ARGV[12]), price = tonumber(ARGV[13]), held = 0,
    hook = ARGV[15] ~= '' and ARGV[15], weight = tonumber(ARGV[16]),
  }
  local capacity = ARGV[18]
  if capacity ~= '' then
    job.held = nil
    call('HSET', T, 'capacity:' .. provider, capacity)
  else
    call('HDEL', T, 'capacity:' .. provider)
  end
  local key = at('job:' .. id)
  call('HSET', key, 'made', text(wall) .. '.' .. c.gen .. '.' .. ordinal, 'base', ARGV[8], 'provider', provider, 'order', ordinal,
    'submitted', ARGV[9], 'queue_time', ARGV[10], 'run_time', ARGV[11], 'outcome_planned', ARGV[12],
    'price', ARGV[13], 'hook', ARGV[15], 'weight', ARGV[16], 'polls', ARGV[17])
  call('PEXPIRE', key, TTL)
  charge(job, tonumber(ARGV[14]), submitted)
  call('HSET', T, 'last', ARGV[9], 'ordinal', ordinal + 1)
  call('HINCRBY', T, 'weight', job.weight)
  zadd('jobs', ordinal, id)
  zadd('going', ordinal, id)
  retime(job)
  place(job)
  if capacity ~= '' then reschedule(provider, submitted) else prune(now) end
  make_room(now)
  return {1, turn(provider, now), show(id, '')}
end

-- Counts a poll of a job that runs, and ends the job if that was the poll to end it; an automatic clock goes on.
local function count_poll(id, now)
  local job = load(id)
  if not job or call('HEXISTS', at('job:' .. id), 'erased') == 1 then return end
  local kept = call('HMGET', at('job:' .. id), 'polls', 'outcome_planned')
  local last = tonumber(kept[1])
  if last and phase_of(job, now) == RUNNING and call('HINCRBY', at('job:' .. id), 'polled', 1) >= last then
    cut(job, now, kept[2], PLANNED)
  end
  if phase_of(job, now) < SUCCEEDED then hurry(1) end
end

local find = ops.find

function ops.find()
  if ARGV[6] == '1' then count_poll(ARGV[4], shows()) end
  return find()
end

-- ARGV: job, phase, failure, the phases that it may be in as digits.
function ops.interrupt()
  local id, now = ARGV[4], shows()
  local job = load(id)
  if not job then return false end
  local phase = phase_of(job, now)
  local effective = phase < SUCCEEDED and string.find(ARGV[7], tostring(phase), 1, true)
  if effective then cut(job, now, ARGV[5], ARGV[6]) end
  return {text(now), effective and 1 or 0, show(id, '')}
end

-- ARGV: jobs.
function ops.erase()
  local count = 0
  for place = 4, #ARGV do
    local key = at('job:' .. ARGV[place])
    if call('EXISTS', key) == 1 then count = count + call('HSETNX', key, 'erased', 1) end
  end
  if count > 0 then touch() end
  return count
end

-- ARGV: job.
function ops.before()
  local now, id = shows(), ARGV[4]
  local provider = call('HGET', at('job:' .. id), 'provider')
  local count = 0
  prune(now)
  for _, other in ipairs(call('ZRANGE', at('going'), 0, -1)) do
    if other == id then break end
    local job = load(other)
    if job and job.provider == provider and phase_of(job, now) == QUEUED then count = count + 1 end
  end
  return count
end

-- ARGV: provider.
function ops.account()
  local now, found = shows(), {}
  settle_refunds(now)
  for _, id in ipairs(call('ZRANGE', at('jobs'), 0, -1)) do
    local provider = call('HGET', at('job:' .. id), 'provider')
    if provider == ARGV[4] then
      local shown = show(id, '')
      shown[8] = id
      found[#found + 1] = shown
    end
  end
  return {text(now), call('HGET', T, 'spent:' .. ARGV[4]) or '0', found}
end

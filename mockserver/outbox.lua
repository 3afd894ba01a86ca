-- A tenant's deliveries: which is due, who has it, and how each went. Outcomes: w waits, d delivered, f failed, u untold,
-- l lost.

local function id_in(member) return string.sub(member, 16) end

-- What goes wrong with a job's webhook: by how much it is late, whether it comes behind the tenant's next, how many come.
local function twist_of(job)
  local late, behind, copies, lost = string.match(job.hook, '^(%d+) (%d) (%d+) (%d)$')
  return {late = tonumber(late), behind = behind == '1', copies = tonumber(copies), lost = lost == '1'}
end

-- When a job's webhook would go out, did it not wait for another.
local function ready_at(job, twist) return job.ends and job.ends + twist.late end

local function leave_line(id)
  local member = call('HGET', at('job:' .. id), 'member')
  if member then
    call('ZREM', at('due'), member)
    call('HDEL', at('job:' .. id), 'member')
  end
end

-- Of those that are due at the same instant, who stood there first comes first.
local function line_up(id, due)
  local member = call('HGET', at('job:' .. id), 'member')
  if member and tonumber(call('ZSCORE', at('due'), member)) == due then return end
  leave_line(id)
  member = string.format('%015d', call('HINCRBY', T, 'lined', 1)) .. id
  call('HSET', at('job:' .. id), 'member', member)
  zadd('due', due, member)
end

local function waiting() return call('ZCARD', at('outbox')) - call('ZCARD', at('over')) end

-- Whether a delivery is due at some moment, if time goes on. One that waits for another promises nothing.
local function promises() return call('ZCARD', at('due')) > call('ZCARD', at('held')) end

local function first_due()
  local due = call('ZRANGE', at('due'), 0, 0, 'WITHSCORES')
  return due[1], due[2] and tonumber(due[2])
end

local function pressing(now)
  if call('ZCARD', at('taken')) > 0 then return true end
  local _, due = first_due()
  return due and due <= now
end

local function forget(id)
  leave_line(id)
  for _, name in ipairs({'outbox', 'over', 'taken', 'held'}) do call('ZREM', at(name), id) end
  call('HDEL', at('job:' .. id), 'outcome', 'due', 'attempts', 'taken', 'lease', 'copies', 'failures', 'accepted')
  call('UNLINK', at('sent:' .. id))
end

-- Takes note of a delivery. Beyond the bound, those that are over go, the first that ended first.
local function put_delivery(job, outcome, due)
  local id, twist = job.id, twist_of(job)
  local key = at('job:' .. id)
  call('HSET', key, 'outcome', outcome, 'due', due and text(due) or '')
  zadd('outbox', job.order, id)
  if due and twist.behind and due == ready_at(job, twist) + PATIENCE and call('HEXISTS', key, 'attempts') == 0 then
    call('ZADD', at('held'), 'NX', call('HINCRBY', T, 'lined', 1), id)
    keep(at('held'))
  else
    call('ZREM', at('held'), id)
  end
  if due then line_up(id, due) else leave_line(id) end
  if outcome ~= 'w' then zadd('over', call('HINCRBY', T, 'overs', 1), id) end
  while call('ZCARD', at('outbox')) > DELIVERIES do
    local oldest = call('ZRANGE', at('over'), 0, 0)[1]
    if not oldest then break end
    forget(oldest)
  end
end

-- What a job's timeline promises now. Once a delivery is on its way, that is settled; and so it is once the one that it
-- was to come behind has gone out.
local function expect(job)
  if not job.hook then return end
  local kept = call('HMGET', at('job:' .. job.id), 'outcome', 'attempts', 'due')
  if (kept[1] and kept[1] ~= 'w') or kept[2] or call('ZSCORE', at('taken'), job.id) then return end
  local twist = twist_of(job)
  local due = ready_at(job, twist)
  if kept[1] and twist.behind and kept[3] ~= '' and not call('ZSCORE', at('held'), job.id) then return end
  if job.ends and job.final ~= SUCCEEDED and job.final ~= FAILED then
    put_delivery(job, 'u', nil)
  elseif twist.lost then
    put_delivery(job, 'l', nil)
  else
    put_delivery(job, 'w', due and twist.behind and due + PATIENCE or due)
  end
  summons = 'look'
end

local function wall_at(moment)
  local c = read_clock()
  if c.rate == 0 then return moment <= c.reading and wall or nil end
  return c.origin - math.floor((c.reading - moment) / c.rate)
end

-- When, on the wall, there is something to take; nil for never, as things stand. What nobody settled is due again.
local function ready()
  for _, id in ipairs(call('ZRANGEBYSCORE', at('taken'), '-inf', text(wall))) do
    call('ZREM', at('taken'), id)
    local job, due = load(id), tonumber(call('HGET', at('job:' .. id), 'due') or '')
    if job and due then put_delivery(job, 'w', due) end
  end
  local expiry = call('ZRANGE', at('taken'), 0, 0, 'WITHSCORES')[2]
  expiry = expiry and tonumber(expiry)
  local _, due = first_due()
  local most = read_clock().rate == 0 and 1 or AT_ONCE
  if not due or call('ZCARD', at('taken')) >= most then return expiry end
  due = wall_at(due)
  if expiry and due then return math.min(expiry, due) end
  return expiry or due
end

-- What a courier is told: when to come, or in any case to look again later as long as something waits.
function summon()
  local when = ready()
  if when then return text(when) end
  return waiting() > 0 and 'later' or 'never'
end

-- Whoever asked did not hear when a courier should come.
function ops.look() summons = 'look' end

-- ARGV: milliseconds of the lease.
function ops.take()
  local when = ready()
  while when and when <= wall do
    local member, due = first_due()
    call('ZREM', at('due'), member)
    local id = id_in(member)
    local key = at('job:' .. id)
    if call('HDEL', key, 'member') == 1 then
      local moment = read_clock().rate == 0 and due or shows()
      local lease = call('HINCRBY', T, 'leased', 1)
      call('ZREM', at('held'), id)
      zadd('taken', wall + tonumber(ARGV[4]), id)
      call('HSET', key, 'taken', text(moment), 'lease', lease)
      return {id, summon(), show(id, ''), call('HMGET', key, 'outcome', 'due', 'attempts'), tostring(lease)}
    end
    forget(id)  -- its job has expired
    when = ready()
  end
  return {'', summon()}
end

-- How a delivery stands after an attempt whose end was known at that instant: see webhooks.Delivery.tried.
local function tried(job, kept, accepted, known, backoff)
  local copies, failures = tonumber(kept[3] or 0), tonumber(kept[4] or 0)
  if accepted or failures == RETRIES then copies, failures = copies + 1, 0 else failures = failures + 1 end
  local any = accepted or kept[5]
  call('HSET', at('job:' .. job.id), 'copies', copies, 'failures', failures)
  if any then call('HSET', at('job:' .. job.id), 'accepted', 1) end
  if failures > 0 then return 'w', known + backoff * 2 ^ (failures - 1) end
  if copies < twist_of(job).copies then return 'w', known end
  return any and 'd' or 'f', nil
end

-- Those that were to come behind another, and were ready when this one went out, are due.
local function release_held(moment, known)
  for _, id in ipairs(call('ZRANGE', at('held'), 0, -1)) do
    local job = load(id)
    local due = job and ready_at(job, twist_of(job))
    if due and moment >= due then put_delivery(job, 'w', known) end
  end
end

-- ARGV: job, the lease, backoff, whether accepted, status and error as JSON.
-- On a manual clock things happen when they were due, however far it was set forward at once.
function ops.settle()
  local id, backoff, accepted, told = ARGV[4], tonumber(ARGV[6]), ARGV[7] == '1', ARGV[8]
  local key, job = at('job:' .. id), load(id)
  if job and call('HGET', key, 'lease') == ARGV[5] and call('ZREM', at('taken'), id) == 1 then
    local kept = call('HMGET', key, 'taken', 'attempts', 'copies', 'failures', 'accepted')
    local moment = tonumber(kept[1])
    local known = read_clock().rate == 0 and moment or shows()
    call('HSET', key, 'attempts', (kept[2] and kept[2] .. ',' or '') .. '[' .. kept[1] .. ',' .. told .. ']')
    call('HDEL', key, 'lease')
    put_delivery(job, tried(job, kept, accepted, known, backoff))
    release_held(moment, known)
  end
  touch()
  tell('s')
  hurry_on()
  summons = 'look'
end

function ops.waiting() return waiting() end

function ops.deliveries()
  local found = {}
  for _, id in ipairs(call('ZRANGE', at('outbox'), 0, -1)) do
    for _, key in ipairs({at('job:' .. id), at('sent:' .. id)}) do
      local kept = call('HMGET', key, 'outcome', 'due', 'attempts')
      if kept[1] then found[#found + 1] = {id, show(id, '', key), kept} end
    end
  end
  return found
end

-- Who waits for the clock, automatic time, and rules.

-- Those whose process has said nothing more for a lease wait no longer.
local function forget_gone()
  for _, token in ipairs(call('ZRANGEBYSCORE', at('leases'), '-inf', text(wall))) do
    call('ZREM', at('leases'), token)
    call('ZREM', at('waiting'), token)
  end
end

-- How many exchanges are under way and do not wait for the clock.
local function busy()
  forget_gone()
  local count, said = -call('ZCARD', at('waiting')), call('HGETALL', at('busy'))
  for place = 1, #said, 2 do
    local own, expiry = string.match(said[place + 1], '(%d+) (%d+)')
    if tonumber(expiry) > wall then count = count + own else call('HDEL', at('busy'), said[place]) end
  end
  return count
end

-- All who wait look again: they are under way from now, and not from their turn, or time might go on before that.
function release()
  call('UNLINK', at('waiting'), at('leases'))
end

local function first(key, after)
  local found = call('ZRANGEBYSCORE', at(key), '(' .. text(after), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return found[2] and tonumber(found[2])
end

-- Sets an automatic clock to what happens next, unless more than `allowed` exchanges are under way, or a webhook is.
function hurry(allowed)
  local c, now = read_clock(), shows()
  if not c.auto or busy() > allowed or pressing(now) then return false end
  local next = math.huge
  for _, name in ipairs({'starts', 'ends', 'due', 'waiting'}) do next = math.min(next, first(name, now) or next) end
  if next == math.huge then return false end
  c.reading = c.reading + next - now
  put_clock()
  if call('ZCOUNT', at('waiting'), '-inf', text(next)) > 0 then release() end
  tell('g')
  if waiting() > 0 then summons = 'look' end
  return true
end

-- The same for as long as nothing is under way and somebody waits for a moment: an exchange, or a webhook's receiver.
function hurry_on()
  if not read_clock().auto then return end
  while (call('ZCARD', at('waiting')) > 0 or promises()) and hurry(0) do end
end

local function waits(token)
  return {text(shows()), call('ZSCORE', at('waiting'), token) and 1 or 0, text(read_clock().rate)}
end

local function wait_on(count, token)
  zadd('leases', wall + LEASE, token)
  report(count)
  hurry_on()
end

-- ARGV: how many exchanges this process has under way with this one, token, until. Whoever waits for what has passed
-- does not wait.
function ops.begin_wait()
  local moment = tonumber(ARGV[6])
  if moment > shows() then
    touch()
    zadd('waiting', moment, ARGV[5])
    wait_on(ARGV[4], ARGV[5])
    tell('w')
  end
  return waits(ARGV[5])
end

-- ARGV: as before, token. Whoever has waited for long looks again, and takes over what a process that died left undone.
function ops.go_on()
  local moment = call('ZSCORE', at('waiting'), ARGV[5])
  if moment and tonumber(moment) > shows() then
    wait_on(ARGV[4], ARGV[5])
  elseif moment then
    ops.end_wait()
  end
  return waits(ARGV[5])
end

-- ARGV: nothing, token.
function ops.end_wait()
  call('ZREM', at('waiting'), ARGV[5])
  call('ZREM', at('leases'), ARGV[5])
end

-- ARGV: the gen and the wall's time that the change was made from; rate, origin, reading, auto. While it was on its way
-- here time went on: what had not gone back then does not go back now.
function ops.set_clock()
  local old, asked = read_clock(), tonumber(ARGV[5])
  if old.gen ~= tonumber(ARGV[4]) then return {0} end
  local new = {rate = tonumber(ARGV[6]), origin = tonumber(ARGV[7]), reading = tonumber(ARGV[8]), auto = ARGV[9] == '1',
    gen = old.gen}
  if shown_by(new, asked) < shown_by(old, asked) then return {2} end
  new.reading = new.reading + math.max(shown_by(old, wall) - shown_by(new, wall), 0)
  clock = new
  local now = shows()
  put_clock()
  release()
  tell('g')
  touch()
  summons = 'look'
  hurry_on()
  return {1, text(now)}
end

-- Whether anything is under way that does not wait for the clock to go on: an exchange, or a webhook.
function ops.acting()
  local now = shows()
  local under_way = busy() > 0 or call('ZCOUNT', at('waiting'), '-inf', text(now)) > 0 or pressing(now)
  return under_way and 1 or 0
end

-- ARGV: versions of rules and uses that the choice was made from, then of each rule its id and what became of it.
-- Without any it answers with what there is.
function ops.act()
  local kept = call('HMGET', T, 'rules', 'uses')
  local now = shows()
  local versions = {kept[1] or '0', kept[2] or '0'}
  if ARGV[4] ~= versions[1] or ARGV[5] ~= versions[2] or tonumber(ARGV[6]) ~= read_clock().gen then
    local rules = kept[1] and kept[1] ~= ARGV[4] and call('GET', at('rules')) or false
    return {0, text(now), versions[1], versions[2], rules, call('HGETALL', at('uses')), read_clock().gen,
      call('HGET', T, 'named') or '0', clock_fields()}
  end
  for place = 7, #ARGV, 2 do call('HSET', at('uses'), ARGV[place], ARGV[place + 1]) end
  keep(at('uses'))
  touch()
  return {1, call('HINCRBY', T, 'uses', 1)}
end

-- ARGV: the version of the rules that the change was made from, the rules, how many have been named, ids that go.
function ops.set_rules()
  if ARGV[4] ~= (call('HGET', T, 'rules') or '0') then return 0 end
  touch()
  call('SET', at('rules'), ARGV[5], 'PX', TTL)
  call('HSET', T, 'named', ARGV[6])
  call('HINCRBY', T, 'rules', 1)
  call('HINCRBY', T, 'uses', 1)
  for place = 7, #ARGV do call('HDEL', at('uses'), ARGV[place]) end
  return 1
end

-- A tenant as if its key had never been used; exchanges under way go on. Versions go on too, so that nobody who knew
-- the old one takes it for the new one. Returns which jobs and files have gone.
function ops.reset()
  if not read_clock().kept then return {{}, {}} end
  local jobs, sent = call('ZRANGE', at('jobs'), 0, -1), call('ZRANGE', at('outbox'), 0, -1)
  local files = call('ZRANGE', at('files'), 0, -1)
  for prefix, ids in pairs({['job:'] = jobs, ['sent:'] = sent, ['file:'] = files}) do
    for _, id in ipairs(ids) do call('UNLINK', at(prefix .. id)) end
  end
  local kept = call('HMGET', T, 'gen', 'told', 'rules', 'uses', 'leased')
  for name in string.gmatch(NAMES, '%S+') do
    if name ~= 'busy' then call('UNLINK', at(name)) end
  end
  call('UNLINK', T)
  call('HSET', T, 'gen', kept[1] or 0, 'told', kept[2] or 0, 'rules', (kept[3] or 0) + 1, 'uses', (kept[4] or 0) + 1,
    'leased', kept[5] or 0)
  call('PEXPIRE', T, TTL)
  clock = nil
  if busy() > 0 then touch() end
  tell('g')
  tell('s')
  return {jobs, files}
end

-- The instants after now at which something happens to a job, to a webhook, or to whoever waits.
function ops.ahead()
  local now, moments, found = shows(), {}, {}
  prune(now)
  forget_gone()
  for _, name in ipairs({'starts', 'ends', 'due', 'waiting'}) do
    local marks = call('ZRANGEBYSCORE', at(name), '(' .. text(now), '+inf', 'WITHSCORES')
    for place = 2, #marks, 2 do moments[marks[place]] = true end
  end
  for moment in pairs(moments) do found[#found + 1] = moment end
  return found
end

-- The first instant after now at which somebody acts.
function ops.awaited()
  local now = shows()
  forget_gone()
  local due, moment = first('due', now), first('waiting', now)
  local soonest = math.min(due or math.huge, moment or math.huge)
  return soonest ~= math.huge and text(soonest)
end

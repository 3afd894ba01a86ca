-- What nearly every request asks for. A script is read anew each time that it runs, so this is answered before the rest.

-- Each process says how many exchanges it has under way, those that wait among them. It is believed for a lease.
local function report(count)
  if count == '0' then
    call('HDEL', at('busy'), WORKER)
  else
    call('HSET', at('busy'), WORKER, count .. ' ' .. text(wall + LEASE))
    keep(at('busy'))
  end
end

-- ARGV: how many exchanges this process has under way with this one, the version of the rules that it knows.
function ops.enter()
  local rules = false
  touch()
  report(ARGV[4])
  local kept = call('HMGET', T, 'rules', 'entries')
  if kept[1] and kept[1] ~= ARGV[5] then rules = call('GET', at('rules')) end
  return {text(shows()), wall, kept[1], rules, tonumber(kept[2] or 0)}
end

-- ARGV: how many exchanges are left, the entry. What is too much of the journal goes, the oldest first.
function ops.leave()
  touch()
  report(ARGV[4])
  local count = call('RPUSH', at('journal'), ARGV[5])
  local size = #ARGV[5] + (count > 1 and tonumber(call('HGET', T, 'written') or 0) or 0)
  while count > JOURNAL or (size > JOURNAL_STORE and count > 0) do
    size, count = size - #call('LPOP', at('journal')), count - 1
  end
  call('HSET', T, 'written', size)
  call('HINCRBY', T, 'entries', 1)
  keep(at('journal'))
  tell('j')
  if read_clock().auto then hurry_on() end
end

-- ARGV: after which entry.
function ops.journal()
  local count = tonumber(call('HGET', T, 'entries') or 0)
  local kept = call('LLEN', at('journal'))
  local gone = math.max(count - kept, tonumber(ARGV[4]))
  return {gone + 1, call('LRANGE', at('journal'), gone - (count - kept), -1)}
end

-- How many entries there have been, and how often there was anything else to be heard.
function ops.count()
  local kept = call('HMGET', T, 'entries', 'told')
  return {tonumber(kept[1] or 0), tonumber(kept[2] or 0)}
end

-- A job that the reader knows already is shown without its base; `made` tells it from an earlier one of the same id.
local function show(id, known, key)
  key = key or at('job:' .. id)
  local shown = call('HMGET', key, 'made', 'held', 'cut_at', 'cut_phase', 'cut_failure', 'erased')
  if not shown[1] then return false end
  if shown[1] ~= known then shown[7] = call('HGET', key, 'base') end
  return shown
end

-- ARGV: job, what the reader knows of it, whether this is a poll.
function ops.find() return {text(shows()), show(ARGV[4], ARGV[5])} end

local function is_plain()
  return ARGV[6] ~= '1' or (call('HGET', at('job:' .. ARGV[4]), 'polls') or '') == ''
end

if ops[ARGV[1]] and not read_clock().auto and (ARGV[1] ~= 'find' or is_plain()) then
  return perform(ops[ARGV[1]])
end

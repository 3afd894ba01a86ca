-- What every operation begins with: one tenant's keys, their expiry, and its clock.

local call = redis.call
local T, WORKER = KEYS[1], ARGV[3]
local instant = call('TIME')
local wall = instant[1] * 1000 + math.floor(instant[2] / 1000)
local ops = {}
local hurry, hurry_on, load, release, summon  -- defined further down
local summons = ''  -- when, on the wall, a courier should look at this tenant; '' when that is as it was

local NAMES = 'jobs going done starts ends refunds outbox due taken held over rules uses journal busy waiting leases files'

local function at(name) return T .. ':' .. name end

local function text(number) return string.format('%.0f', number) end

-- Every key expires. One that is written gets its time anew once half of it has passed; all of a tenant's at once.
local function keep(key)
  if call('PTTL', key) < TTL / 2 then call('PEXPIRE', key, TTL) end
end

local function zadd(name, score, member)
  call('ZADD', at(name), text(score), member)
  keep(at(name))
end

local clock

local function read_clock()
  if not clock then
    local kept = call('HMGET', T, 'rate', 'origin', 'reading', 'auto', 'gen')
    clock = {gen = tonumber(kept[5] or 0), kept = kept[1] and true}
    if not kept[1] then
      kept = {}
      for part in string.gmatch(ARGV[2], '%S+') do kept[#kept + 1] = part end
    end
    clock.rate, clock.origin, clock.reading = tonumber(kept[1]), tonumber(kept[2]), tonumber(kept[3])
    clock.auto = kept[4] == '1'
  end
  return clock
end

local function shown_by(c, at_wall) return c.reading + (at_wall - c.origin) * c.rate end

local function shows() return shown_by(read_clock(), wall) end

local function put_clock()
  local c = read_clock()
  call('HSET', T, 'rate', text(c.rate), 'origin', text(c.origin), 'reading', text(c.reading), 'auto', c.auto and 1 or 0)
  c.kept = true
end

-- The tenant exists from now on.
local function touch()
  if not read_clock().kept then put_clock() end
  if call('PTTL', T) < TTL / 2 then
    call('PEXPIRE', T, TTL)
    for name in string.gmatch(NAMES, '%S+') do call('PEXPIRE', at(name), TTL) end
  end
end

-- Tells all processes: g, the clock was set or a job interrupted; j, the journal grew; s, a delivery was settled; w,
-- an exchange waits.
local function tell(what)
  if what == 'g' then read_clock().gen = call('HINCRBY', T, 'gen', 1) end
  if what == 'g' or what == 's' then call('HINCRBY', T, 'told', 1) end
  call('PUBLISH', at('news:' .. what), '')
end

local function clock_fields()
  local c = read_clock()
  return {text(c.rate), text(c.origin), text(c.reading), c.auto and 1 or 0}
end

function ops.now() return text(shows()) end

function ops.clock() return {wall, read_clock().gen, clock_fields()} end

-- What an operation comes to. Beside its answer goes when a courier should look at this tenant, if that may have changed.
local function perform(operation)
  local answer = operation()
  if summons ~= '' then summons = call('EXISTS', at('outbox')) == 1 and summon() or '' end
  return {answer or false, summons}
end

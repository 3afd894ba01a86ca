-- Which tenants' deliveries a courier should look at, and when on the wall: a hint, the tenants themselves know better.

local call = redis.call
local SENDERS, SEED = KEYS[1], KEYS[2]
local instant = call('TIME')
local wall = instant[1] * 1000 + math.floor(instant[2] / 1000)
local ops = {}

local function text(number) return string.format('%.0f', number) end

-- Keeps those a while that a courier looks at now, so that no other one does; and lets nobody be forgotten for long.
function ops.claim()
  call('PEXPIRE', SEED, TTL)
  call('PEXPIRE', SENDERS, TTL)
  local soonest = call('ZRANGE', SENDERS, 0, 0, 'WITHSCORES')
  if not soonest[1] then return {'', '', wall} end
  if tonumber(soonest[2]) > wall then return {'', soonest[2], wall} end
  local score = text(wall + 2 * SWEEP)
  call('ZADD', SENDERS, score, soonest[1])
  return {soonest[1], score, wall}
end

-- ARGV: tenant; when, or `later`.
function ops.summon()
  local when = tonumber(ARGV[3])
  call('ZADD', SENDERS, 'LT', text(math.min(when or math.huge, wall + SWEEP)), ARGV[2])
  call('PEXPIRE', SENDERS, TTL)
  if when and when < wall + SWEEP then call('PUBLISH', SENDERS .. ':news', '') end
  return 1
end

-- ARGV: tenant, the score of the claim under which nothing was found that waits.
function ops.dismiss()
  local score = call('ZSCORE', SENDERS, ARGV[2])
  if score and tonumber(score) == tonumber(ARGV[3]) and wall < tonumber(score) - SWEEP then
    return call('ZREM', SENDERS, ARGV[2])
  end
  return 0
end

-- ARGV: a seed, whether it is to be the one even if there is another.
function ops.seed()
  if ARGV[3] == '1' then call('SET', SEED, ARGV[2]) else call('SETNX', SEED, ARGV[2]) end
  call('PEXPIRE', SEED, TTL)
  return call('GET', SEED)
end

function ops.senders() return call('ZRANGE', SENDERS, 0, -1) end

return ops[ARGV[1]]()

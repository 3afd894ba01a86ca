-- A tenant's money: what was spent with each provider, and what falls due to be given back.

local function refund_of(job) return job.provider .. '|' .. text(job.price) .. '|' .. job.id end

local function settle_refunds(now)
  local due = call('ZRANGEBYSCORE', at('refunds'), '-inf', text(now))
  for _, member in ipairs(due) do
    local provider, price = string.match(member, '^([^|]*)|(%d+)|')
    call('HINCRBY', T, 'spent:' .. provider, '-' .. price)
  end
  if #due > 0 then call('ZREMRANGEBYSCORE', at('refunds'), '-inf', text(now)) end
end

local function images_in(provider, now)
  local kept = call('HMGET', T, 'minute:' .. provider, 'images:' .. provider)
  return tonumber(kept[1]) == math.floor(now / 60000) and tonumber(kept[2]) or 0
end

local function charge(job, count, now)
  call('HINCRBY', T, 'spent:' .. job.provider, text(job.price))
  local images = images_in(job.provider, now) + count
  call('HSET', T, 'minute:' .. job.provider, text(math.floor(now / 60000)), 'images:' .. job.provider, images)
end

-- A tenant's uploads: bounded in bytes, the oldest go first.

local function counts(id)
  return 1024 + call('HSTRLEN', at('file:' .. id), 'data')
end

local function keep_file(id)
  zadd('files', call('HINCRBY', T, 'shelved', 1), id)
  call('HINCRBY', T, 'bytes', counts(id))
  while tonumber(call('HGET', T, 'bytes')) > FILES do
    local oldest = call('ZRANGE', at('files'), 0, 0)[1]
    if not oldest then break end
    call('ZREM', at('files'), oldest)
    call('HINCRBY', T, 'bytes', -counts(oldest))
    call('UNLINK', at('file:' .. oldest))
  end
end

-- ARGV: of the turn that the file was made from how many there had been, and gen; id, what it is, its bytes.
function ops.put_file()
  local count = tonumber(call('HGET', T, 'uploads') or 0)
  if not ARGV[6] or tonumber(ARGV[4]) ~= count or tonumber(ARGV[5]) ~= read_clock().gen then
    return {0, text(shows()), count, read_clock().gen}
  end
  touch()
  call('HSET', T, 'uploads', count + 1)
  local key = at('file:' .. ARGV[6])
  call('HSET', key, 'about', ARGV[7])
  if ARGV[8] then call('HSET', key, 'data', ARGV[8]) end
  call('PEXPIRE', key, TTL)
  keep_file(ARGV[6])
  return {1}
end

-- ARGV: id, bytes.
function ops.fill_file()
  local key = at('file:' .. ARGV[4])
  if call('HEXISTS', key, 'about') == 0 or call('HEXISTS', key, 'data') == 1 then return 0 end
  call('HINCRBY', T, 'bytes', -counts(ARGV[4]))
  call('HSET', key, 'data', ARGV[5])
  call('PEXPIRE', key, TTL)
  touch()
  keep_file(ARGV[4])
  return 1
end

-- ARGV: id.
function ops.get_file()
  local kept = call('HMGET', at('file:' .. ARGV[4]), 'about', 'data')
  return {text(shows()), kept[1], kept[2]}
end

-- ARGV: now, base, key, token, after. Answers whether the entry was the token's.
local entry = mine(ARGV[3], ARGV[4])
if not entry then
    return 0
end
ready()
redis.call('HSET', entry.name, 'attempt', entry.attempt - 1)
redis.call('HDEL', entry.name, 'token')
enter(entry, WAITING, now + ARGV[5])
return 1

-- ARGV: now, base, key, token, reason, keep_dead. Answers whether the entry was the token's.
local entry = mine(ARGV[3], ARGV[4])
if not entry then
    return 0
end
ready()
redis.call('HSET', entry.name, 'reason', ARGV[5])
redis.call('HDEL', entry.name, 'token')
enter(entry, DEAD, now + ARGV[6])
return 1

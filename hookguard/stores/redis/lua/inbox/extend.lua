-- ARGV: now, base, key, token, lease. Answers whether the entry was the token's.
local entry = mine(ARGV[3], ARGV[4])
if not entry then
    return 0
end
ready()
local at = whole(now + ARGV[5])
redis.call('HSET', entry.name, 'at', at)
redis.call('ZADD', named('leases', entry.lane), at, entry.member)
return 1

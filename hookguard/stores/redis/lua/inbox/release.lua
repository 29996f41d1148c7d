-- ARGV: now, base, key, token, after, reason, tries, keep_dead. Answers whether the entry was the token's.
local entry = mine(ARGV[3], ARGV[4])
if not entry then
    return 0
end
ready()
redis.call('HSET', entry.name, 'reason', ARGV[6])
redis.call('HDEL', entry.name, 'token')
if entry.attempt - entry.crashes < tonumber(ARGV[7]) then
    enter(entry, WAITING, now + ARGV[5])
else
    enter(entry, DEAD, now + ARGV[8])
end
return 1

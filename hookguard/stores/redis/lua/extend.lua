-- ARGV: now, token, lease. Holds the claim from now on; how long it is remembered after that stays.
local held = redis.call('HMGET', KEYS[1], 'state', 'token', 'expires', 'lease')
if held[1] ~= '1' or held[2] ~= ARGV[2] or tonumber(held[3]) <= now then
    return 0
end
local lease_until = now + ARGV[3]
local expires_at = lease_until + held[3] - held[4]
redis.call('HSET', KEYS[1], 'lease', whole(lease_until), 'expires', whole(expires_at))
keep(KEYS[1], expires_at)
return 1

-- ARGV: now, token. Releases the event; the number of its attempts and its fingerprint stay.
local held = redis.call('HMGET', KEYS[1], 'state', 'token', 'expires')
if held[1] ~= '1' or held[2] ~= ARGV[2] or tonumber(held[3]) <= now then
    return 0
end
redis.call('HSET', KEYS[1], 'state', '0', 'lease', whole(now))
return 1

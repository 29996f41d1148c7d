-- ARGV: now, token, retention, and the reply if one is stored. Answers whether the claim was the token's.
local held = redis.call('HMGET', KEYS[1], 'state', 'token', 'expires')
if not held[1] or held[2] ~= ARGV[2] or tonumber(held[3]) <= now or held[1] == '0' then
    return 0
end
if held[1] == '1' then
    local expires_at = now + ARGV[3]
    redis.call('HSET', KEYS[1], 'state', '2', 'expires', whole(expires_at))
    if ARGV[4] then
        redis.call('HSET', KEYS[1], 'reply', ARGV[4])
    end
    keep(KEYS[1], expires_at)
end
return 1

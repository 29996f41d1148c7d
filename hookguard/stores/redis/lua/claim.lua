-- ARGV: now, token, fingerprint, lease, retention. Answers status, attempt, what is left of the lease, same fingerprint, reply.
local held = redis.call('HMGET', KEYS[1], 'state', 'token', 'print', 'lease', 'expires', 'attempt', 'reply')
local state, fingerprint = held[1], held[3]
local lease_until, expires_at, attempt = tonumber(held[4]), tonumber(held[5]), tonumber(held[6])
if not state or expires_at <= now then
    -- Only what is there: a script that has written is let through when memory is full, and a new event must be rejected then.
    if state then
        redis.call('DEL', KEYS[1])
    end
    fingerprint, attempt, state = ARGV[3], 0, nil
end
local same = fingerprint == ARGV[3] and 1 or 0
if state == '2' then
    return {2, attempt, 0, same, held[7]}
end
if state == '1' and held[2] == ARGV[2] then
    return {0, attempt, 0, same}
end
if state == '1' and lease_until > now then
    return {1, attempt, lease_until - now, same}
end
lease_until = now + ARGV[4]
expires_at = lease_until + ARGV[5]
redis.call('HSET', KEYS[1], 'state', '1', 'token', ARGV[2], 'print', fingerprint, 'lease', whole(lease_until),
    'expires', whole(expires_at), 'attempt', attempt + 1)
keep(KEYS[1], expires_at)
return {0, attempt + 1, 0, same}

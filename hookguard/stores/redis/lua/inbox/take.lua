-- ARGV: now, base, lane, lease, keep_dead, how many waits, those after the second and later crashes, then a token for each entry
-- that may be taken. Answers the entries that died now, then those that are held.
local lane, lease, keep_dead, waits = ARGV[3], ARGV[4], ARGV[5], {}
local tokens = 6 + ARGV[6]
for number = 7, tokens do
    waits[number - 6] = tonumber(ARGV[number])
end
-- The next calls free the others.
local MANY = 100
local died, held = {}, {}
local leases, due = named('leases', lane), named('due', lane)
local lapsed = redis.call('ZRANGEBYSCORE', leases, '-inf', whole(now), 'LIMIT', 0, MANY)
if lapsed[1] or redis.call('ZRANGEBYSCORE', due, '-inf', whole(now), 'LIMIT', 0, 1)[1] then
    ready()
end
local is_missing = false
for _, member in ipairs(lapsed) do
    local entry = read_member(member, leases, named(STATES[HELD], lane))
    is_missing = is_missing or not entry
    if entry then
        lapse(entry, waits, keep_dead)
    end
    if entry and entry.state == DEAD then
        died[#died + 1] = taken(entry)
    end
end
for number, member in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', whole(now), 'LIMIT', 0, #ARGV - tokens)) do
    local entry = read_member(member, due, named(STATES[WAITING], lane))
    is_missing = is_missing or not entry
    if entry then
        hold(entry, ARGV[tokens + number], lease)
        held[#held + 1] = taken(entry)
    end
end
if is_missing then
    -- Nothing says which line it was the first of: so each line gets its turn.
    for _, member in ipairs(redis.call('ZRANGE', named('behind', lane), 0, -1)) do
        local entry = read_member(member, named('behind', lane), named(STATES[WAITING], lane))
        if entry then
            turn(entry.line, lane)
        end
    end
end
return {died, held}

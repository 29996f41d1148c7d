-- ARGV: now, base. Answers now, then for each lane and state with entries: lane, state, how many, and the earliest "at" of those
-- that are waiting or held.
local function earliest(kind, lane)
    return tonumber(redis.call('ZRANGE', named(kind, lane), 0, 0, 'WITHSCORES')[2]) or math.huge
end
local answers = {whole(now)}
for _, lane in ipairs(redis.call('SMEMBERS', named('all', 'lanes'))) do
    local oldest = {
        [WAITING] = math.min(earliest('due', lane), earliest('behind', lane)), [HELD] = earliest('leases', lane),
    }
    for state = WAITING, DEAD do
        local number = redis.call('ZCARD', named(STATES[state], lane))
        if number > 0 then
            answers[#answers + 1] = {lane, state, number, oldest[state] and whole(oldest[state]) or ''}
        end
    end
end
return answers

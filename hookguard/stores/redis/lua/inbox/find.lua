-- A page of a search, the newest first. ARGV: now, base, the number before which it begins, how many entries it reads, how many it
-- may return, then state, endpoint (escaped), type behind a byte, the beginning of the id, and the part; each is empty if it is
-- not asked for. Answers the number before which the next page begins (0: this is the last page), then the entries that fit.
local looked, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local state, endpoint, kind, begins, part = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local members = {}
for _, lane in ipairs(redis.call('SMEMBERS', named('all', 'lanes'))) do
    if endpoint == '' or string.sub(lane, 1, #endpoint + 1) == endpoint .. ':' then
        for each = tonumber(state) or WAITING, tonumber(state) or DEAD do
            local page = redis.call('ZREVRANGEBYSCORE', named(STATES[each], lane), ARGV[3], '-inf', 'LIMIT', 0, looked)
            for _, member in ipairs(page) do
                members[#members + 1] = member
            end
        end
    end
end
table.sort(members, function(one, other) return one > other end)

local function fits(key)
    return (begins == '' or string.sub(string.sub(key, 1, 64), 1, #begins) == begins)
        and (part == '' or string.sub(key, 66) == part)
        and (kind == '' or redis.call('HGET', named('entry', key), 'type') == string.sub(kind, 2))
end

local answers = {0}
for number, member in ipairs(members) do
    if number > looked or #answers > most then
        break
    end
    local key = key_of(member)
    answers[1] = tonumber(string.sub(member, 1, 16))
    if fits(key) then
        local facts = redis.call('HMGET', named('entry', key), 'seq', 'lane', 'state', 'claim', 'type', 'attempt', 'crashes',
            'received', 'changed', 'at', 'reason')
        if facts[1] then  -- otherwise somebody deleted it by hand
            facts[#facts + 1] = redis.call('HSTRLEN', named('entry', key), 'body')
            table.insert(facts, 1, key)
            answers[#answers + 1] = facts
        end
    end
end
-- An entry that is the last one of the last page ends the search.
if #members < looked and #answers <= most then
    answers[1] = 0
end
return answers

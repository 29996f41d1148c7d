-- ARGV: now, base, how many. Answers how many are gone, the oldest first.
local old = redis.call('ZRANGEBYSCORE', named('all', 'prune'), '-inf', whole(now), 'LIMIT', 0, ARGV[3])
if old[1] then
    ready()
end
for _, member in ipairs(old) do
    local entry = read_member(member, named('all', 'prune'))
    if entry then
        remove(entry)
    end
end
return #old

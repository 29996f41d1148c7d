-- ARGV: now, base, key, token, lease, keep_dead, then the waits after the second and later crashes. Answers the entry or nothing.
local waits = {}
for number = 7, #ARGV do
    waits[number - 6] = tonumber(ARGV[number])
end
local entry = read(ARGV[3])
if entry then
    ready()
end
-- The last crash is left to take, which reports an entry that is dead.
if entry and entry.state == HELD and entry.at <= now and entry.crashes < #waits + 1 then
    lapse(entry, waits, ARGV[6])
end
if not entry or entry.state ~= WAITING or not redis.call('ZSCORE', named('due', entry.lane), entry.member) then
    return {}
end
hold(entry, ARGV[4], ARGV[5])
return {taken(entry)}

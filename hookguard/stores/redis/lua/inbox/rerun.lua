-- ARGV: now, base, reason, then the keys. Answers how many are due again.
local changed = 0
ready()
for number = 4, #ARGV do
    local entry = read(ARGV[number])
    -- A done entry whose time is over may have no body any more.
    if entry and (entry.state == DEAD or (entry.state == DONE and entry.at > now)) then
        redis.call('HSET', entry.name, 'reason', ARGV[3])
        begin_again(entry)
        changed = changed + 1
    end
end
return changed

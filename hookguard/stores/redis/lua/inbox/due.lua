-- ARGV: now, base, then the lanes. Answers 1 if anything can be taken from one of them, otherwise 0.
for number = 3, #ARGV do
    for _, kind in ipairs({'leases', 'due'}) do
        if redis.call('ZRANGEBYSCORE', named(kind, ARGV[number]), '-inf', whole(now), 'LIMIT', 0, 1)[1] then
            return 1
        end
    end
end
return 0

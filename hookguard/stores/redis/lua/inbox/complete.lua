-- ARGV: now, base, key, token, keep. Answers whether the entry was the token's. The token stays: an answer may be lost.
local entry = read(ARGV[3])
if not entry or entry.token ~= ARGV[4] then
    return 0
end
if entry.state == HELD then
    ready()
    if tonumber(ARGV[5]) <= 0 then
        redis.call('HSET', entry.name, 'body', '')
        redis.call('HDEL', entry.name, 'content')
    end
    enter(entry, DONE, now + ARGV[5])
end
return entry.state == DONE and 1 or 0

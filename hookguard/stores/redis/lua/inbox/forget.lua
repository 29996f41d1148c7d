-- Forgets an event. KEYS: its claim. ARGV: now, base, id. Answers whether it is gone; 0 while an entry of it is waiting or held.
local held = redis.call('HMGET', KEYS[1], 'parts')
local entries = {}
for _, key in ipairs(entries_of(ARGV[3], held[1])) do
    local entry = read(key)
    if entry and entry.state <= HELD then
        return 0
    end
    entries[#entries + 1] = entry
end
if entries[1] then
    ready()
end
for _, entry in ipairs(entries) do
    leave(entry)
    redis.call('DEL', entry.name)
end
return redis.call('DEL', KEYS[1])

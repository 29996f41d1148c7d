-- ARGV: now, base, then the keys. Answers how many are gone.
local gone = 0
ready()
for number = 3, #ARGV do
    local entry = read(ARGV[number])
    if entry and entry.state ~= HELD then
        remove(entry)
        gone = gone + 1
    end
end
return gone

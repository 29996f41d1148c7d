-- ARGV: now, base, key. Answers the entry or nothing.
local entry = read(ARGV[3])
return entry and {taken(entry)} or {}

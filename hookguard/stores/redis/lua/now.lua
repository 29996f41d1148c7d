-- Stands before each of the others. The time is the server's, in microseconds since 1970, unless a test gives its own.
local time = redis.call('TIME')
local server = time[1] * 1000000 + time[2]
local now = tonumber(ARGV[1]) or server

-- Redis itself forgets an event once its time is over. A test's clock may stand still meanwhile, and gets an hour more.
local function keep(claim, expires_at)
    local beyond = tonumber(ARGV[1]) and 3600000 or 0
    redis.call('PEXPIRE', claim, math.ceil((expires_at - now) / 1000) + beyond)
end

local function whole(number)
    return string.format('%.0f', number)
end


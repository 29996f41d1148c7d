-- Stands before each of the others. The time is the server's, in microseconds since 1970, unless a test gives its own.
local time = redis.call('TIME')
local server = time[1] * 1000000 + time[2]
local now = tonumber(ARGV[1]) or server

-- Redis itself forgets an event once its time is over; a test's clock may be behind or ahead of that.
local function keep(expires_at)
    redis.call('PEXPIRE', KEYS[1], math.ceil((expires_at - now) / 1000))
end

local function whole(number)
    return string.format('%.0f', number)
end

-- Stands before each script of the inbox. ARGV[2] is the base of all its names.
--
-- BASE                     the number of the last stored entry
-- BASE:all:lanes           the set of lanes, each as "endpoint:part", escaped
-- BASE:entry:KEY           an entry, as a hash; its "at" is when it is due, when its lease ends, or when it may be pruned
-- BASE:waiting:LANE        and held, done, dead: the entries in a state, by their number
-- BASE:due:LANE            the waiting entries that may be taken, by the time at which they are due
-- BASE:behind:LANE         the waiting entries that are behind another one in their line, likewise
-- BASE:leases:LANE         the held entries, by the end of their lease
-- BASE:line:LINE           the waiting and held entries of a line, by their number; the held one's is negative, so it is first
-- BASE:all:prune           the done and dead entries, by the time at which they may be pruned
--
-- A member of these sets is an entry's number, with leading zeros, and its key: equal times are in the order of the numbers.
-- A call touches as many entries as it is asked for, however many there are.
local base = ARGV[2]
local WAITING, HELD, DONE, DEAD = 0, 1, 2, 3
local STATES = {[WAITING] = 'waiting', [HELD] = 'held', [DONE] = 'done', [DEAD] = 'dead'}
-- The last second of the year 9999: an event with entries is remembered without an end.
local FOREVER = '253402300799000000'

local function named(kind, of)
    return base .. ':' .. kind .. ':' .. of
end

local function member_of(seq, key)
    return string.format('%016.0f ', seq) .. key
end

local function key_of(member)
    return string.sub(member, 18)
end

-- The entry, as far as its way through the states is concerned; nil if it is missing.
local function read(key)
    local name = named('entry', key)
    local found = redis.call('HMGET', name, 'seq', 'lane', 'state', 'at', 'token', 'attempt', 'crashes', 'line')
    if not found[1] or not found[3] then
        return nil
    end
    local seq = tonumber(found[1])
    return {
        name = name, key = key, seq = seq, member = member_of(seq, key), lane = found[2], state = tonumber(found[3]),
        at = tonumber(found[4]), token = found[5], attempt = tonumber(found[6]), crashes = tonumber(found[7]), line = found[8],
    }
end

-- The entry of a member; nil if somebody deleted it by hand, so that it must not stand in the way of the others. It leaves the
-- sets then.
local function read_member(member, ...)
    local entry = read(key_of(member))
    if not entry then
        for _, set in ipairs({...}) do
            redis.call('ZREM', set, member)
        end
    end
    return entry
end

-- The facts that a worker gets.
local function taken(entry)
    local facts = redis.call('HMGET', entry.name, 'claim', 'lane', 'type', 'token', 'attempt', 'crashes', 'received',
        'retention', 'line', 'head', 'body', 'content')
    table.insert(facts, 1, entry.key)
    return facts
end

-- Puts a waiting entry among those that may be taken, or among those behind another one.
local function place(member, to, from)
    local lane = redis.call('HGET', named('entry', key_of(member)), 'lane')
    local at = lane and redis.call('ZSCORE', named(from, lane), member)
    if at then
        redis.call('ZREM', named(from, lane), member)
        redis.call('ZADD', named(to, lane), at, member)
    end
end

-- Lets the first of a line be taken if nobody holds one of the line. The second may have been the first before.
-- "lane" is that of the line: an entry that somebody deleted by hand leaves the sets there.
local function turn(line, lane)
    local name = named('line', line)
    local first = redis.call('ZRANGE', name, 0, 1, 'WITHSCORES')
    while first[1] and not read_member(first[1], name, named('due', lane), named('behind', lane), named('waiting', lane)) do
        first = redis.call('ZRANGE', name, 0, 1, 'WITHSCORES')
    end
    if first[1] and tonumber(first[2]) > 0 then
        place(first[1], 'due', 'behind')
    end
    if first[3] then
        place(first[3], 'behind', 'due')
    end
end

local function leave(entry)
    redis.call('ZREM', named(STATES[entry.state], entry.lane), entry.member)
    if entry.state == WAITING then
        redis.call('ZREM', named('due', entry.lane), entry.member)
        if entry.line then
            redis.call('ZREM', named('behind', entry.lane), entry.member)
        end
    elseif entry.state == HELD then
        redis.call('ZREM', named('leases', entry.lane), entry.member)
    else
        redis.call('ZREM', named('all', 'prune'), entry.member)
    end
end

-- Runs each command that writes, or that reads after a write, so that it changes nothing. A script that fails in the middle
-- leaves what it wrote: so a user who lacks a permission, and a server whose memory is full, must fail before the first change.
-- HSET has no such form, and is the first change of each script.
local is_ready = false
local function ready()
    if is_ready then
        return
    end
    is_ready = true
    local nothing = named('all', 'nothing')
    redis.call('ZADD', nothing, 'XX', 0, '')  -- first: memory is checked at the first command that writes, and by this one
    redis.call('ZREM', nothing, '')
    redis.call('ZRANGE', nothing, 0, 0)
    redis.call('ZSCORE', nothing, '')
    redis.call('HGET', nothing, '')
    redis.call('HMGET', nothing, '')
    redis.call('HDEL', nothing, '')
    redis.call('EXISTS', nothing)
    redis.call('PEXPIRE', nothing, 1)
    redis.call('PERSIST', nothing)
    redis.call('DEL', nothing)
end

-- Brings an entry into a state; "at" is as in its hash. A new entry has no state yet.
local function enter(entry, state, at)
    at = whole(at)
    redis.call('HSET', entry.name, 'state', state, 'at', at, 'changed', whole(now))
    if entry.state then
        leave(entry)
    end
    local times = named('leases', entry.lane)
    if state == WAITING then
        times = named(entry.line and 'behind' or 'due', entry.lane)
    elseif state ~= HELD then
        times = named('all', 'prune')
    end
    redis.call('ZADD', named(STATES[state], entry.lane), entry.seq, entry.member)
    redis.call('ZADD', times, at, entry.member)
    entry.state, entry.at = state, tonumber(at)
    if entry.line then
        if state <= HELD then
            redis.call('ZADD', named('line', entry.line), state == HELD and -entry.seq or entry.seq, entry.member)
        else
            redis.call('ZREM', named('line', entry.line), entry.member)
        end
        turn(entry.line, entry.lane)
    end
end

local function hold(entry, token, lease)
    redis.call('HSET', entry.name, 'token', token, 'attempt', entry.attempt + 1)
    enter(entry, HELD, now + lease)
end

-- Makes a done or dead entry due, as if it were new.
local function begin_again(entry)
    redis.call('HSET', entry.name, 'attempt', 0, 'crashes', 0)
    redis.call('HDEL', entry.name, 'token')
    enter(entry, WAITING, now)
end

-- Counts the crash of an entry whose lease is over. "waits" are those after the second crash and later ones; behind the last
-- of them the entry is dead.
local function lapse(entry, waits, keep_dead)
    entry.crashes = entry.crashes + 1
    redis.call('HSET', entry.name, 'crashes', entry.crashes)
    redis.call('HDEL', entry.name, 'token')
    if entry.crashes == 1 then
        enter(entry, WAITING, entry.at)
    elseif waits[entry.crashes - 1] then
        enter(entry, WAITING, now + waits[entry.crashes - 1])
    else
        redis.call('HSET', entry.name, 'reason', 'its worker died ' .. entry.crashes .. ' times')
        enter(entry, DEAD, now + keep_dead)
    end
end

-- The entry, if this token holds it.
local function mine(key, token)
    local entry = read(key)
    if entry and entry.state == HELD and entry.token == token then
        return entry
    end
    return nil
end

-- The names of an event's entries. "id" is the beginning of their keys, "parts" the JSON in its claim.
local function entries_of(id, parts)
    local keys = {}
    for number, part in ipairs(parts and cjson.decode(parts) or {}) do
        keys[number] = part == '' and id or id .. '.' .. part
    end
    return keys
end

-- Deletes an entry. With the event's last one gone, its claim is remembered for the retention.
local function remove(entry)
    local facts = redis.call('HMGET', entry.name, 'claim', 'retention')
    leave(entry)
    redis.call('DEL', entry.name)
    if entry.line then
        redis.call('ZREM', named('line', entry.line), entry.member)
        turn(entry.line, entry.lane)
    end
    local claim = facts[1]
    local held = redis.call('HMGET', claim, 'state', 'parts')
    for _, key in ipairs(entries_of(string.sub(entry.key, 1, 64), held[2])) do
        if redis.call('EXISTS', named('entry', key)) == 1 then
            return
        end
    end
    if held[1] == '2' then
        redis.call('HSET', claim, 'expires', whole(now + facts[2]))
        redis.call('HDEL', claim, 'parts')
        keep(claim, now + facts[2])
    end
end


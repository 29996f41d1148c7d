-- Stores events, all or none. KEYS: the base, then each event's claim. ARGV: now, base, then for each event: token, fingerprint,
-- whether another body is taken, type, retention, head, body, content behind a byte (or empty, without one), parts as JSON, id,
-- and how many entries, each as key, lane, line. Answers status, same fingerprint, and what is left of the lease for each.
local STORED, KNOWN, AGAIN, IN_PROGRESS = 0, 1, 2, 3

-- Another program's key must stop all of it, before anything is changed.
for number = 2, #KEYS do
    redis.call('HMGET', KEYS[number], '')
end

local function fill(entry, event)
    redis.call('HSET', entry.name, 'type', event.type, 'received', whole(now), 'retention', event.retention, 'head', event.head,
        'body', event.body)
    if event.content then
        redis.call('HSET', entry.name, 'content', event.content)
    else
        redis.call('HDEL', entry.name, 'content')
    end
end

local function store(event, at)
    local entry = read(at.key)
    if entry and entry.state <= HELD then
        return false
    end
    local seq = entry and entry.seq or redis.call('INCR', base)
    redis.call('SADD', named('all', 'lanes'), at.lane)
    local new = {name = named('entry', at.key), key = at.key, lane = at.lane, line = at.line, seq = seq}
    new.member = member_of(seq, at.key)
    fill(new, event)
    redis.call('HSET', new.name, 'seq', whole(seq), 'lane', at.lane, 'claim', event.claim, 'attempt', 0, 'crashes', 0)
    if entry then
        leave(entry)
        redis.call('HDEL', new.name, 'token', 'reason', 'line')
    end
    if at.line then
        redis.call('HSET', new.name, 'line', at.line)
    end
    enter(new, WAITING, now)
    return true
end

-- A provider sends a dead event once more. The new delivery takes the old one's place.
local function revive(event, parts)
    local status = KNOWN
    for _, key in ipairs(entries_of(event.id, parts)) do
        local entry = read(key)
        if entry and entry.state == DEAD then
            ready()
            fill(entry, event)
            begin_again(entry)
            status = AGAIN
        end
    end
    return status
end

local function put(event)
    local held = redis.call('HMGET', event.claim, 'state', 'token', 'print', 'lease', 'expires', 'parts')
    local is_known = held[1] and tonumber(held[5]) > now
    local fingerprint = is_known and held[3] or event.fingerprint
    local same = fingerprint == event.fingerprint
    if is_known and held[1] == '2' then
        if held[2] == event.token then
            return {STORED, 1, 0}  -- this call ran before, and its answer was lost
        end
        return {(same or event.any_body) and revive(event, held[6]) or KNOWN, same and 1 or 0, 0}
    end
    if is_known and held[1] == '1' and tonumber(held[4]) > now then
        return {IN_PROGRESS, same and 1 or 0, held[4] - now}
    end
    if not (same or event.any_body) then
        return {KNOWN, 0, 0}
    end
    ready()
    local status = KNOWN
    for _, at in ipairs(event.entries) do
        status = store(event, at) and STORED or status
    end
    redis.call('HSET', event.claim, 'state', '2', 'token', event.token, 'print', fingerprint, 'lease', whole(now),
        'expires', FOREVER, 'attempt', 1, 'parts', event.parts)
    redis.call('HDEL', event.claim, 'reply')
    redis.call('PERSIST', event.claim)
    return {status, 1, 0}
end

local answers, next_argument = {}, 3
local function argument()
    next_argument = next_argument + 1
    return ARGV[next_argument - 1]
end
for number = 2, #KEYS do
    local event = {claim = KEYS[number], token = argument(), fingerprint = argument(), any_body = argument() == '1',
        type = argument(), retention = argument(), head = argument(), body = argument(), content = argument(),
        parts = argument(), id = argument(), entries = {}}
    event.content = event.content ~= '' and string.sub(event.content, 2)
    for entry = 1, tonumber(argument()) do
        local at = {key = argument(), lane = argument(), line = argument()}
        at.line = at.line ~= '' and at.line
        event.entries[entry] = at
    end
    answers[number - 1] = put(event)
end
return answers

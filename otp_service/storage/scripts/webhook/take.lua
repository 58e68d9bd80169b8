#!lua
-- Take what an endpoint is to be told next, for as long as a lease: only one worker tells it at a time. Events that it
-- hears of are opened on the way, the others are passed by.
-- KEYS[1] endpoint   KEYS[2] its open events   KEYS[3] log
-- ARGV[1] who takes   ARGV[2] lease ms   ARGV[3] how many may be open   ARGV[4…] types that it hears of, and
-- what others begin with, followed by `*`
-- Returns {word, ms to wait, attempt, how many the log dropped before they were told, {id, ms to wait, fields}, …}:
--   ok | idle (nothing to tell, nobody holds it now) | wait (it failed) | busy (another tells it) | disabled | unknown
local hook, open, log = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
if redis.call('EXISTS', hook) == 0 then return {'unknown', 0, 0, 0} end
if redis.call('HEXISTS', hook, 'disabled') > 0 then return {'disabled', 0, 0, 0} end
local attempt = number(hook, 'attempt')
local wait = number(hook, 'next_at') - now
if wait > 0 then return {'wait', wait, attempt, 0} end
local lease = number(hook, 'lease') - now
if lease > 0 and text(hook, 'holder') ~= ARGV[1] then return {'busy', lease, attempt, 0} end

local heard, prefixes = {}, {}
for _, kind in ipairs({unpack(ARGV, 4)}) do
  if string.sub(kind, -1) == '*' then prefixes[#prefixes + 1] = string.sub(kind, 1, -2) else heard[kind] = true end
end
local function hears(kind)
  if heard[kind] or not kind then return heard[kind] end
  for _, prefix in ipairs(prefixes) do
    if string.sub(kind, 1, #prefix) == prefix then return true end
  end
end
local cursor, sequence, lost = text(hook, 'cursor'), number(hook, 'sequence'), 0
local astray = cursor == ''  -- then it begins at the oldest event that is kept, and goes by their numbers
if astray then cursor = '0-0' end
local room = tonumber(ARGV[3]) - redis.call('ZCOUNT', open, '-inf', '(inf')
local rounds, at_end = 0, false
while room > 0 and rounds < 10 and not at_end do
  local entries = redis.call('XRANGE', log, '(' .. cursor, '+', 'COUNT', room)
  at_end, rounds = #entries < room, rounds + 1
  for _, entry in ipairs(entries) do
    local named = {}
    for i = 1, #entry[2], 2 do named[entry[2][i]] = entry[2][i + 1] end
    cursor = entry[1]
    local at = tonumber(named.sequence)
    if not at then
      room = room - redis.call('ZADD', open, 0, cursor)  -- whoever reads it sets it aside
    elseif not (astray and at <= sequence) then
      lost = lost + math.max(0, at - sequence - 1)
      sequence = at
      if hears(named.type) then room = room - redis.call('ZADD', open, 0, cursor) end
    end
  end
end
redis.call('HSET', hook, 'cursor', cursor, 'sequence', sequence, 'holder', ARGV[1], 'lease', now + tonumber(ARGV[2]))

local found = {}
local waiting = redis.call('ZRANGEBYSCORE', open, '-inf', '(inf', 'WITHSCORES')
for i = 1, #waiting, 2 do
  local entry = redis.call('XRANGE', log, waiting[i], waiting[i])[1]
  if entry then
    found[#found + 1] = {waiting[i], math.max(0, waiting[i + 1] - now), entry[2]}
  else
    redis.call('ZREM', open, waiting[i])
    redis.call('HDEL', hook, 'tries:' .. waiting[i])
    lost = lost + 1
  end
end
if #found == 0 and at_end then
  redis.call('HDEL', hook, 'holder', 'lease', 'attempt', 'next_at', 'failing_since')
  return {'idle', 0, 0, lost}
end
return {'ok', 0, attempt, lost, unpack(found)}

#!lua
-- Pass events on from an outbox to an application's log, each exactly once however often it is tried.
-- KEYS[1] log   KEYS[2] state of the log   KEYS[3] due jobs of the application
-- ARGV[1] lane of the outbox   ARGV[2] ms that events are kept   ARGV[3] jobs to be done then, comma-separated
-- ARGV[4…] of each event: id in the outbox, number of its fields and values together, field, value, …
-- Returns how many were new
local log, state, due = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
local new = 0

-- Ids of a stream are `ms-n`; they grow in both parts.
local function after(a, b)
  local a_ms, a_n = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_n = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) > tonumber(b_ms) end
  return tonumber(a_n) > tonumber(b_n)
end

local last = redis.call('HGET', state, 'relayed:' .. ARGV[1]) or '0-0'
local events = {unpack(ARGV, 4)}
local i = 1
while i <= #events do
  local id, size = events[i], tonumber(events[i + 1])
  if after(id, last) then
    local sequence = redis.call('HINCRBY', state, 'sequence', 1)
    redis.call('XADD', log, '*', 'sequence', sequence, unpack(events, i + 2, i + 1 + size))
    last = id
    new = new + 1
  end
  i = i + 2 + size
end
if new > 0 then
  redis.call('HSET', state, 'relayed:' .. ARGV[1], last)
  redis.call('XTRIM', log, 'MINID', '~', string.format('%d', now - tonumber(ARGV[2])))
  for job in string.gmatch(ARGV[3], '[^,]+') do redis.call('ZADD', due, 'LT', now, job) end
end
return new

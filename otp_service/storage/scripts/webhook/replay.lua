#!lua
-- Tell an endpoint at once, also if it was disabled or fails.
-- It goes on from where it stopped, or from an earlier event, or tells what was parked.
-- KEYS[1] endpoint   KEYS[2] its open events   KEYS[3] log   KEYS[4] due jobs of the application
-- ARGV[1] its job   ARGV[2] id in the log of the first event that is told again ('' for none)   ARGV[3] '1': the parked
-- Returns how many parked events are told again, or -1 if the endpoint is not known
local hook, open, log, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('EXISTS', hook) == 0 then return -1 end
local parked = 0
if ARGV[3] == '1' then
  for _, event in ipairs(redis.call('ZRANGEBYSCORE', open, 'inf', 'inf')) do
    redis.call('ZADD', open, 0, event)
    parked = parked + 1
  end
end
if ARGV[2] ~= '' then
  local before = redis.call('XREVRANGE', log, '(' .. ARGV[2], '-', 'COUNT', 1)[1]
  local first = redis.call('XRANGE', log, ARGV[2], '+', 'COUNT', 1)[1]
  for i = 1, first and #first[2] or 0, 2 do
    if first[2][i] == 'sequence' then redis.call('HSET', hook, 'sequence', first[2][i + 1] - 1) end
  end
  redis.call('HSET', hook, 'cursor', before and before[1] or '0-0')
end
redis.call('HDEL', hook, 'disabled', 'disabled_at', 'attempt', 'next_at', 'failing_since', 'parked_in_a_row')
redis.call('ZADD', due, now_ms(), ARGV[1])
return parked

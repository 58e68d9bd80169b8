#!lua flags=allow-oom
-- Write down what came of telling an endpoint of one event. An endpoint fails once for all that was under way: only
-- what was told at its present attempt moves it. The newest 1,000 parked events are kept.
-- KEYS[1] endpoint   KEYS[2] its open events
-- ARGV[1] event   ARGV[2] 'told' | 'refused' (this event) | 'failed' | 'gone' (for ever) | 'parked' (by
-- decision)
-- ARGV[3] attempt of the endpoint at which it was told   ARGV[4] what was answered   ARGV[5] lease ms
-- ARGV[6] pauses in ms, comma-separated: the last attempt comes after the last   ARGV[7] ms to wait at least
-- ARGV[8] tries of a refused event   ARGV[9] events parked in a row after which it is the endpoint that fails
-- Returns {word, ms until the endpoint is tried again, tries of this event}: told | held (this event is tried again
--   later) | parked | failing | disabled | unknown
local hook, open, event, came, answered = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[4]
local of_attempt, lease_ms, pauses_ms, least_ms, most_tries = ARGV[3], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local most_parked = ARGV[9]
local now = now_ms()
if redis.call('EXISTS', hook) == 0 then return {'unknown', 0, 0} end
local attempt = number(hook, 'attempt')
local current = attempt == tonumber(of_attempt)
local pauses = {}
for pause in string.gmatch(pauses_ms, '%d+') do pauses[#pauses + 1] = tonumber(pause) end
if came == 'refused' and number(hook, 'parked_in_a_row') >= tonumber(most_parked) then came = 'failed' end
if redis.call('HEXISTS', hook, 'holder') > 0 then redis.call('HSET', hook, 'lease', now + tonumber(lease_ms)) end

local function recovered()
  if current then redis.call('HDEL', hook, 'attempt', 'next_at', 'failing_since') end
end
local function park()
  redis.call('ZADD', open, 'XX', 'inf', event)
  redis.call('HDEL', hook, 'tries:' .. event)
  redis.call('HINCRBY', hook, 'parked_in_a_row', 1)
  if redis.call('ZCOUNT', open, 'inf', 'inf') > 1000 then
    redis.call('ZREM', open, redis.call('ZRANGEBYSCORE', open, 'inf', 'inf', 'LIMIT', 0, 1)[1])
  end
  return {'parked', 0, 0}
end
local function disable(reason)
  redis.call('HSET', hook, 'disabled', reason, 'disabled_at', now)
  return {'disabled', 0, 0}
end

if came == 'parked' then return park() end
redis.call('HSET', hook, 'answer', answered)
if came == 'told' then
  redis.call('ZREM', open, event)
  redis.call('HDEL', hook, 'tries:' .. event, 'parked_in_a_row')
  redis.call('HSET', hook, 'told_at', now)
  recovered()
  return {'told', 0, 0}
end
redis.call('HSET', hook, 'failed_at', now)
if came == 'gone' then return disable('gone') end
local tries = redis.call('HINCRBY', hook, 'tries:' .. event, 1)
if came == 'refused' then
  recovered()
  if tries >= tonumber(most_tries) then return park() end
  redis.call('ZADD', open, 'XX', now + pauses[tries], event)
  return {'held', 0, tries}
end
if current then
  if attempt >= #pauses then return disable('failing') end
  local pause = math.max(pauses[attempt + 1], tonumber(least_ms))
  redis.call('HSET', hook, 'attempt', attempt + 1, 'next_at', now + pause)
  redis.call('HSETNX', hook, 'failing_since', now)
end
return {'failing', math.max(0, number(hook, 'next_at') - now), tries}

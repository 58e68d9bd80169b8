#!lua
-- The cool-down of a gateway is over: it may be tried again ('half_open'), or it failed a probe and cools down anew.
-- KEYS[1] record of the gateway   KEYS[2] due jobs of the gateways
-- ARGV[1] gateway   ARGV[2] '1' if it may be tried   ARGV[3] longest cool-down ms
-- Returns 1 if the circuit was open, else 0
local g, due = KEYS[1], KEYS[2]
local now = now_ms()
if text(g, 'circuit') ~= 'open' then
  redis.call('ZREM', due, 'probe:' .. ARGV[1])
  return 0
end
if ARGV[2] == '1' then
  redis.call('HSET', g, 'circuit', 'half_open')
  redis.call('ZREM', due, 'probe:' .. ARGV[1])
else
  local cooldown = math.min(2 * number(g, 'cooldown'), math.max(number(g, 'cooldown'), tonumber(ARGV[3])))
  redis.call('HSET', g, 'cooldown', cooldown, 'probe_at', now + cooldown)
  redis.call('ZADD', due, now + cooldown, 'probe:' .. ARGV[1])
end
return 1

#!lua
-- What is left on a gateway's account. Tells once when it falls below a threshold, and again after it was above it.
-- KEYS[1] record of the gateway   KEYS[2] due jobs of the gateways   KEYS[3] their outbox
-- ARGV[1] gateway   ARGV[2] balance, a decimal number   ARGV[3] threshold, '0' for none
-- Returns 1 if it has just fallen below the threshold, else 0
local g, due, out = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
local low = tonumber(ARGV[2]) < tonumber(ARGV[3])
redis.call('HSET', g, 'balance', ARGV[2], 'balance_at', now)
if not low then
  redis.call('HDEL', g, 'low')
  return 0
end
if redis.call('HSETNX', g, 'low', now) == 0 then return 0 end
emit(out, due, now, 'gateway.balance_low', '', ARGV[1], 'balance', ARGV[2], 'threshold', ARGV[3])
return 1

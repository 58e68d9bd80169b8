#!lua
-- A gateway works again.
-- KEYS[1] record of the gateway   KEYS[2] due jobs of the gateways   KEYS[3] their outbox
-- ARGV[1] gateway
-- Returns 1 if its circuit was not closed until now, else 0
local g, due, out = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
if text(g, 'circuit') == '' then return 0 end
emit(out, due, now, 'gateway.circuit_closed', '', ARGV[1], 'reason', text(g, 'reason'), 'opened_at', text(g, 'opened_at'))
redis.call('HDEL', g, 'circuit', 'reason', 'cooldown', 'probe_at', 'opened_at')
redis.call('ZREM', due, 'probe:' .. ARGV[1])
return 1

#!lua
-- Leave a gateway alone for a while. One that failed its trial is left alone for twice as long as before.
-- KEYS[1] record of the gateway   KEYS[2] due jobs of the gateways   KEYS[3] their outbox
-- ARGV[1] gateway   ARGV[2] reason   ARGV[3] first cool-down ms   ARGV[4] longest ms
-- Returns 1 if it was closed until now, else 0
local g, due, out = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
local state = text(g, 'circuit')
if state == 'open' then return 0 end
local cooldown = math.min(tonumber(ARGV[4]), state == '' and tonumber(ARGV[3]) or 2 * number(g, 'cooldown'))
cooldown = math.max(cooldown, tonumber(ARGV[3]))
redis.call('HSET', g, 'circuit', 'open', 'reason', ARGV[2], 'cooldown', cooldown, 'probe_at', now + cooldown)
redis.call('ZADD', due, now + cooldown, 'probe:' .. ARGV[1])
if state ~= '' then return 0 end
redis.call('HSET', g, 'opened_at', now)
emit(out, due, now, 'gateway.circuit_opened', '', ARGV[1], 'reason', ARGV[2])
return 1

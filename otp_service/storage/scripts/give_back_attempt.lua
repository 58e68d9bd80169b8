#!lua
-- Give back an attempt that was counted and will not be judged, because a limit does not let it.
-- KEYS[1] verification   KEYS[2] fails of the phone   KEYS[3…] counters of wrong codes that it was counted in
-- ARGV[1] op: keyed hash of the Idempotency-Key ('' for none)
-- Returns {word, extra, now, record}: ok | not_found
local v, fails = KEYS[1], KEYS[2]
local now = now_ms()
if redis.call('EXISTS', v) == 0 then return answer('not_found', v, now) end
if number(v, 'attempts') > number(v, 'settled') then redis.call('HINCRBY', v, 'attempts', -1) end
if number(fails, 'count') > 0 then redis.call('HINCRBY', fails, 'count', -1) end
for _, counter in ipairs({unpack(KEYS, 3)}) do uncount_events(counter, 1) end
if ARGV[1] ~= '' then redis.call('HDEL', v, 'op:' .. ARGV[1]) end
return answer('ok', v, now)

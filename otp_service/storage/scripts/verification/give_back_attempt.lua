#!lua flags=allow-oom
-- Give back an attempt that was counted and will not be judged, because a limit does not let it.
-- KEYS[1] verification   KEYS[2] fails of the phone   KEYS[3…] counters of wrong codes that it was counted in
-- ARGV[1] op: keyed hash of the Idempotency-Key ('' for none)
-- Returns {word, extra, now, record}: ok | not_found
local v, fails = KEYS[1], KEYS[2]
local now = now_ms()
open(v)
if not is_there() then return close('not_found', now) end
if number(v, 'attempts') > number(v, 'settled') then add('attempts', -1) end
if number(fails, 'count') > 0 then redis.call('HINCRBY', fails, 'count', -1) end
for _, counter in ipairs({unpack(KEYS, 3)}) do uncount_events(counter, 1) end
if ARGV[1] ~= '' then drop('op:' .. ARGV[1]) end
return close('ok', now)

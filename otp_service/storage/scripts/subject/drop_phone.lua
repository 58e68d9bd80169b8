#!lua flags=allow-oom
-- Forget a verified phone of a subject.
-- KEYS[1] subject
-- ARGV[1] phone index
-- Returns 1 if it was there, else 0
local found = redis.call('HDEL', KEYS[1], 'p:' .. ARGV[1], 'v:' .. ARGV[1])
if found == 0 then return 0 end
settle_life(KEYS[1], now_ms())
return 1

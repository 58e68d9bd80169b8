#!lua
-- Count a failed sign-in under a name that nobody has; one in a while is written down.
-- KEYS[1] such sign-ins
-- ARGV[1] ms between two that are written down   ARGV[2] ms that it is remembered
-- Returns how many there were since the last that was written down, this one too; 0 if this one is not
local strangers, now = KEYS[1], now_ms()
local count = redis.call('HINCRBY', strangers, 'count', 1)
redis.call('PEXPIRE', strangers, ARGV[2])
if number(strangers, 'until') > now then return 0 end
redis.call('HSET', strangers, 'count', 0, 'until', now + tonumber(ARGV[1]))
return count

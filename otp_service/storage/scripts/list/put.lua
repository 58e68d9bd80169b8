#!lua
-- Put an entry into the lists of the pumping guard, unless they are full.
-- KEYS[1] lists
-- ARGV[1] id   ARGV[2] the entry, sealed   ARGV[3] entries at most
-- Returns 1, or 0 if they are full
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1

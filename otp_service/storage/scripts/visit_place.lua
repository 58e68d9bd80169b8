#!lua
-- Note that a place in a number block was asked for, and tell which were before it; the same one again counts once.
-- KEYS[1] places, the latest last
-- ARGV[1] place   ARGV[2] how many are kept   ARGV[3] life ms
-- Returns the places asked for before, in which this one does not stand
local places = KEYS[1]
redis.call('LREM', places, 0, ARGV[1])
local before = redis.call('LRANGE', places, 0, -1)
redis.call('RPUSH', places, ARGV[1])
redis.call('LTRIM', places, -tonumber(ARGV[2]), -1)
redis.call('PEXPIRE', places, ARGV[3])
return before

#!lua
-- Forget that a place in a number block was asked for.
-- KEYS[1] places
-- ARGV[1] place
-- Returns how often it stood there
return redis.call('LREM', KEYS[1], 0, ARGV[1])

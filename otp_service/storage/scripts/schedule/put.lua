#!lua
-- Have a job done after a while, or earlier if it is to be done earlier already.
-- KEYS[1] due jobs
-- ARGV[1] job   ARGV[2] ms until it is due
-- Returns 1
redis.call('ZADD', KEYS[1], 'LT', now_ms() + tonumber(ARGV[2]), ARGV[1])
return 1

#!lua
-- Put a verification on the list whose messages callers of the Twilio facade may see, and take old ones off.
-- KEYS[1] list of an application
-- ARGV[1] id   ARGV[2] when it was made, ms   ARGV[3] ms after which one is kept no longer
-- Returns 1
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2] - ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1

#!lua flags=allow-oom
-- A turn at an account that few may use at the same time; one that is not given back ends by itself.
-- KEYS[1] turns of the account
-- ARGV[1] name of the turn   ARGV[2] how many there are   ARGV[3] ms that one lasts at most
-- Returns 1, or 0 if all are taken
local turns = KEYS[1]
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', turns, '-inf', now)
if redis.call('ZCARD', turns) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', turns, now + tonumber(ARGV[3]), ARGV[1])
redis.call('PEXPIRE', turns, tonumber(ARGV[3]))
return 1

#!lua
-- Make an operator's account, and the link by which it is taken possession of.
-- KEYS[1] names of all operators   KEYS[2] account   KEYS[3] link
-- ARGV[1] name   ARGV[2] id   ARGV[3] role   ARGV[4] life of the link, ms   ARGV[5] digest of the link
-- Returns 1, or 0 if somebody has this name already
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('HSET', KEYS[2], 'id', ARGV[2], 'name', ARGV[1], 'role', ARGV[3], 'created_at', now_ms(), 'epoch', 1,
  'link', ARGV[5])
redis.call('HSET', KEYS[3], 'id', ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1

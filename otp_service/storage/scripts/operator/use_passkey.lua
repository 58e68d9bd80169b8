#!lua
-- Keep a passkey after its use, unless it was used meanwhile: of two answers with the same counter one is good.
-- KEYS[1] account
-- ARGV[1] field of the passkey   ARGV[2] as it was read   ARGV[3] as it is kept
-- Returns 1, or 0 if it is another by now, or gone
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1

#!lua
-- Use up the account's one link: from now on the operator has this password, and perhaps a passkey. Sessions from
-- before end.
-- KEYS[1] link   KEYS[2] account
-- ARGV[1] id   ARGV[2] digest of the link   ARGV[3…] field, value, … of the account
-- Returns 1, or 0 if the link was used, is over, was made for somebody else or is not the newest
if text(KEYS[1], 'id') ~= ARGV[1] or text(KEYS[2], 'link') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[2], 'enrolled_at', now_ms(), unpack(ARGV, 3))
redis.call('HDEL', KEYS[2], 'link')
redis.call('HINCRBY', KEYS[2], 'epoch', 1)
return 1

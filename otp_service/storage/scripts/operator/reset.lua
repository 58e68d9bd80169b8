#!lua
-- Take password and passkeys from an operator, end all sessions, and make the one link by which new ones are set.
-- A link made before is good no more: the account names its own.
-- KEYS[1] account   KEYS[2] link   KEYS[3] wrong passwords
-- ARGV[1] id   ARGV[2] life of the link, ms   ARGV[3] digest of the link
-- Returns 1, or 0 if there is no such operator
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field == 'password' or field == 'enrolled_at' or string.sub(field, 1, 8) == 'passkey:' then
    redis.call('HDEL', KEYS[1], field)
  end
end
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[1], 'link', ARGV[3])
redis.call('HSET', KEYS[2], 'id', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1

#!lua
-- Make an API key, or make it anew: both its record and its place in the list.
-- KEYS[1] ids of all keys   KEYS[2] API key
-- ARGV[1] id   ARGV[2] SHA-256   ARGV[3] life ms (0: for ever)   ARGV[4] ms that it can be seen after its end
-- ARGV[5…] field, value, … of the record
-- Returns the time, as text
local ids, key = KEYS[1], KEYS[2]
local now, life = now_ms(), tonumber(ARGV[3])
redis.call('DEL', key)
redis.call('HSET', key, 'id', ARGV[1], 'created_at', now, 'life', ARGV[3], unpack(ARGV, 5))
if life > 0 then
  redis.call('HSET', key, 'expires_at', now + life)
  redis.call('PEXPIRE', key, life + tonumber(ARGV[4]))
end
redis.call('HSET', ids, ARGV[1], ARGV[2])
return tostring(now)

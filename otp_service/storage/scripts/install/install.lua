#!lua
-- Remember how this installation names things; the first process decides.
-- KEYS[1] install record
-- ARGV[1] partitions   ARGV[2] key id   ARGV[3] wrapped index key
-- Returns {partitions, key id, wrapped index key}
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'partitions', ARGV[1], 'key_id', ARGV[2], 'index_key', ARGV[3])
end
return redis.call('HMGET', KEYS[1], 'partitions', 'key_id', 'index_key')

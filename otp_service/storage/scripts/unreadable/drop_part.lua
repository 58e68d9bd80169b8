#!lua
-- Take one part out of a key, if it is still what was read.
-- KEYS[1] key
-- ARGV[1] its type   ARGV[2] the member, element or string; of a hash the field   ARGV[3] of a hash the value
-- Returns how many were taken out
local key, kind, part = KEYS[1], ARGV[1], ARGV[2]
if redis.call('TYPE', key).ok ~= kind then return 0 end
if kind == 'hash' then return redis.call('HGET', key, part) == ARGV[3] and redis.call('HDEL', key, part) or 0 end
if kind == 'zset' then return redis.call('ZREM', key, part) end
if kind == 'list' then return redis.call('LREM', key, 0, part) end
if kind == 'stream' then return redis.call('XDEL', key, part) end
return redis.call('GET', key) == part and redis.call('DEL', key) or 0

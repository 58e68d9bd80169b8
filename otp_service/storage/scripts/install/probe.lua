#!lua
-- Try each command that the scripts use on a key that is gone afterwards: may this user of Redis do it?
-- KEYS[1] a key that nobody else uses
-- Returns {name of a command that was refused, …}
local tried = {
  {'HSET', 'a', '1'}, {'HSETNX', 'b', '1'}, {'HINCRBY', 'a', '1'}, {'HGET', 'a'}, {'HMGET', 'a'}, {'HGETALL'},
  {'HKEYS'}, {'HLEN'}, {'HEXISTS', 'a'}, {'HDEL', 'a', 'b'},
  {'ZADD', '1', 'a'}, {'ZSCORE', 'a'}, {'ZCARD'}, {'ZCOUNT', '1', '2'}, {'ZRANGE', '0', '1'}, {'ZREVRANGE', '0', '1'},
  {'ZRANGEBYSCORE', '1', '2'}, {'ZREMRANGEBYSCORE', '3', '4'}, {'ZREMRANGEBYRANK', '3', '4'}, {'ZREM', 'a'},
  {'XADD', '*', 'a', '1'}, {'XLEN'}, {'XRANGE', '-', '+'}, {'XREVRANGE', '+', '-'}, {'XDEL', '0-1'},
  {'XTRIM', 'MAXLEN', '1'}, {'DEL'},
  {'RPUSH', 'a'}, {'LPUSH', 'a'}, {'LRANGE', '0', '1'}, {'LREM', '0', 'b'}, {'LTRIM', '0', '1'}, {'DEL'},
  {'SET', '1', 'PX', '1000'}, {'GET'}, {'TYPE'}, {'PERSIST'}, {'PEXPIRE', '1000'}, {'PTTL'}, {'RENAME', KEYS[1]}, {'EXISTS'}, {'DEL'},
}
local refused = {}
for _, words in ipairs(tried) do
  local reply = redis.pcall(words[1], KEYS[1], unpack(words, 2))
  if type(reply) == 'table' and reply.err then refused[#refused + 1] = words[1] end
end
return refused

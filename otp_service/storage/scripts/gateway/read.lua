#!lua flags=no-writes
-- What all processes together know of the gateways.
-- KEYS: of each gateway its record, whether it was heard of messages in time, ends of messages, times by group
-- Returns {now, {record, heard, ends, times}, …}
local found = {tostring(now_ms())}
for k = 1, #KEYS, 4 do
  found[#found + 1] = {redis.call('HGETALL', KEYS[k]), redis.call('LRANGE', KEYS[k + 1], 0, -1),
    redis.call('LRANGE', KEYS[k + 2], 0, -1), redis.call('HGETALL', KEYS[k + 3])}
end
return found

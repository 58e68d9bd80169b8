#!lua
-- Know an endpoint: a new one begins after the newest event.
-- KEYS[1] endpoint   KEYS[2] log
-- Returns 1 if it is new
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local id, sequence = newest and newest[1] or '0-0', 0
for i = 1, newest and #newest[2] or 0, 2 do
  if newest[2][i] == 'sequence' then sequence = newest[2][i + 1] end
end
if redis.call('HSETNX', KEYS[1], 'cursor', id) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'sequence', sequence)
return 1

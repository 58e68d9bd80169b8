#!lua
-- Know an endpoint: a new one begins after the newest event, one whose record was lost at the oldest.
-- KEYS[1] endpoint   KEYS[2] log
-- ARGV[1] 'newest' | 'oldest'
-- Returns 1 if it is new
local lost = ARGV[1] == 'oldest'
local found = redis.call(lost and 'XRANGE' or 'XREVRANGE', KEYS[2], lost and '-' or '+', lost and '+' or '-', 'COUNT', 1)[1]
local id, sequence = found and not lost and found[1] or '0-0', 0
for i = 1, found and #found[2] or 0, 2 do
  if found[2][i] == 'sequence' then sequence = tonumber(found[2][i + 1]) or 0 end
end
if lost and sequence > 0 then sequence = sequence - 1 end
if redis.call('HSETNX', KEYS[1], 'cursor', id) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'sequence', sequence)
return 1

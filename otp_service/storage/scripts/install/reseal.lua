#!lua
-- Put values that were sealed anew in the place of the old ones: all of them, or none if anything changed meanwhile.
-- KEYS[1] record
-- ARGV[1…] field, value that it must have ('' for none), value to be written, …
-- Returns 1 if they were written, else 0
local values = {unpack(ARGV, 1)}
for at = 1, #values, 3 do
  if text(KEYS[1], values[at]) ~= values[at + 1] then return 0 end
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for at = 1, #values, 3 do redis.call('HSET', KEYS[1], values[at], values[at + 2]) end
return 1

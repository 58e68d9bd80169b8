#!lua
-- Note that a place in a number block was asked for, and tell which were before it; the same one again counts once.
-- KEYS[1] places, the latest last
-- ARGV[1] place   ARGV[2] how many are kept   ARGV[3] life ms
-- Returns {place, …}: those asked for before, without this one
local places = KEYS[1]
local before = {}
local all = redis.call('LRANGE', places, 0, -1)
for _, place in ipairs(all) do
  if place ~= ARGV[1] then before[#before + 1] = place end
end
if #before < #all then redis.call('LREM', places, 0, ARGV[1]) end
if redis.call('RPUSH', places, ARGV[1]) > tonumber(ARGV[2]) then redis.call('LTRIM', places, -tonumber(ARGV[2]), -1) end
redis.call('PEXPIRE', places, ARGV[3])
return before

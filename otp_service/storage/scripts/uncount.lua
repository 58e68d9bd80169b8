#!lua
-- Take events back from a sliding window, the latest first.
-- KEYS[1] counter
-- ARGV[1] how many
-- Returns how many were taken back
local counter = KEYS[1]
local left = tonumber(ARGV[1])
local flat = redis.call('HGETALL', counter)
local steps, counts = {}, {}
for i = 1, #flat, 2 do
  steps[#steps + 1] = flat[i]
  counts[flat[i]] = tonumber(flat[i + 1])
end
table.sort(steps, function(a, b) return tonumber(a) > tonumber(b) end)
for _, at in ipairs(steps) do
  local taken = math.min(left, counts[at])
  left = left - taken
  if taken == counts[at] then
    redis.call('HDEL', counter, at)
  elseif taken > 0 then
    redis.call('HINCRBY', counter, at, -taken)
  end
end
return tonumber(ARGV[1]) - left

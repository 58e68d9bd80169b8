#!lua
-- Count one event in a sliding window, unless its quota is used up.
-- The window is counted in 60 steps: an event leaves it at most one step late, never early.
-- KEYS[1] counter
-- ARGV[1] quota   ARGV[2] window ms
-- Returns the ms until one more fits, 0 if this one was counted
local counter = KEYS[1]
local now = now_ms()
local quota, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local width = math.max(1, math.ceil(window / 60))
local step = math.floor(now / width)
local oldest = step - math.ceil(window / width)

local counts, steps, sum, gone = {}, {}, 0, {}
local flat = redis.call('HGETALL', counter)
for i = 1, #flat, 2 do
  local at = tonumber(flat[i])
  if at < oldest then
    gone[#gone + 1] = flat[i]
  else
    steps[#steps + 1] = at
    counts[at] = tonumber(flat[i + 1])
    sum = sum + counts[at]
  end
end
if #gone > 0 then redis.call('HDEL', counter, unpack(gone)) end

if sum >= quota then
  table.sort(steps)
  for _, at in ipairs(steps) do
    sum = sum - counts[at]
    if sum < quota then return (at + step - oldest + 1) * width - now end
  end
  return window
end
redis.call('HINCRBY', counter, string.format('%d', step), 1)
redis.call('PEXPIRE', counter, window + 2 * width)
return 0

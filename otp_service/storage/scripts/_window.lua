-- Counters of events in a sliding window. It is counted in 60 steps: an event leaves it at most one step late, never early.

-- The ms until one more event fits, 0 if one does now. Steps that have left the window are forgotten.
local function until_fits(counter, quota, window, now)
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
  if sum < quota then return 0 end
  table.sort(steps)
  for _, at in ipairs(steps) do
    sum = sum - counts[at]
    if sum < quota then return (at + step - oldest + 1) * width - now end
  end
  return window
end

local function count_event(counter, window, now)
  local width = math.max(1, math.ceil(window / 60))
  redis.call('HINCRBY', counter, string.format('%d', math.floor(now / width)), 1)
  redis.call('PEXPIRE', counter, window + 2 * width)
end

-- Take so many events back, the latest first; returns how many there were.
local function uncount_events(counter, times)
  local left = times
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
  return times - left
end

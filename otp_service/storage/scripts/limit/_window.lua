-- Counters of events in a sliding window. It is counted in 60 steps: an event leaves it at most one step late, never early.

-- The ms until one more event fits, 0 if one does now; quota: at least 1. Steps that have left the window are forgotten.
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

-- Take back one event for each of these times, which it was counted at or at most so long before; of several it is the
-- earliest, so that what stays never leaves the window before its time. Returns how many there were.
local function take_back_counted(counter, window, before, times)
  local width = math.max(1, math.ceil(window / 60))
  local steps, counts, taken = {}, {}, 0
  local flat = redis.call('HGETALL', counter)
  for i = 1, #flat, 2 do
    steps[#steps + 1] = tonumber(flat[i])
    counts[tonumber(flat[i])] = tonumber(flat[i + 1])
  end
  table.sort(steps)
  for _, time in ipairs(times) do
    local first, last = math.floor((tonumber(time) - before) / width), math.floor(tonumber(time) / width)
    for _, step in ipairs(steps) do
      if step >= first and step <= last and counts[step] > 0 then
        counts[step] = counts[step] - 1
        taken = taken + 1
        local name = string.format('%d', step)
        if counts[step] == 0 then redis.call('HDEL', counter, name) else redis.call('HINCRBY', counter, name, -1) end
        break
      end
    end
  end
  return taken
end

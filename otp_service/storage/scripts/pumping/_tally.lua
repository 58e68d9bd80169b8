-- Counts that fade with time, exp(-age / memory).

-- Add to both counts of a tally; returns what they are then, as decimal texts.
local function add_to_tally(tally, memory, unverified, approved)
  local now = now_ms()
  local known = redis.call('HMGET', tally, 'at', 'unverified', 'approved')
  local faded = math.exp(-math.max(0, now - tonumber(known[1] or '0')) / memory)
  local sums = {
    string.format('%.4f', math.max(0, tonumber(known[2] or '0') * faded + unverified)),
    string.format('%.4f', math.max(0, tonumber(known[3] or '0') * faded + approved)),
  }
  redis.call('HSET', tally, 'unverified', sums[1], 'approved', sums[2], 'at', now)
  redis.call('PEXPIRE', tally, 5 * memory)  -- e^-5: less than one in a hundred is left
  return sums
end

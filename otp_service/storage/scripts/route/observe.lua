#!lua flags=allow-oom
-- Count how messages did, by gateway and group of people; what was counted before fades (domain/routes.py).
-- KEYS[1] counts of all gateways
-- ARGV[1] how many counts are kept at most   ARGV[2] ms that they live   ARGV[3] half-life ms
-- ARGV[4] what is kept at each further message to the group   ARGV[5] messages after which nothing is left
-- ARGV[6…] gateway, group, good ones, bad ones
-- Returns 1
local key, most, half_life, kept, longest = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = now_ms()
local size = redis.call('HLEN', key)
local told = {unpack(ARGV, 6)}

local function put(name, value, before)
  if before or size < most then
    if not before then size = size + 1 end
    redis.call('HSET', key, name, value)
  end
end

for i = 1, #told, 4 do
  local gateway, group, good, bad = told[i], told[i + 1], tonumber(told[i + 2]), tonumber(told[i + 3])
  local count = redis.call('HGET', key, '|' .. group)
  local messages = (tonumber(count or '') or 0) + good + bad
  put('|' .. group, string.format('%d', messages), count)
  local before = redis.call('HGET', key, gateway .. '|' .. group)
  local g, b, at, n = string.match(before or '', '^([%d.e+-]+) ([%d.e+-]+) (%d+) (%d+)$')
  g, b, at, n = tonumber(g or '') or 0, tonumber(b or '') or 0, tonumber(at or '') or now, tonumber(n or '') or messages
  local left = 0.5 ^ (math.max(0, now - at) / half_life) * kept ^ math.min(math.max(0, messages - n), longest)
  local weight = math.min(1, 1 / (1 - kept) / (good + bad))  -- many at once are no more than all that count
  g, b = g * left + good * weight, b * left + bad * weight
  -- A clock that went back leaves what is newer.
  put(gateway .. '|' .. group, string.format('%.6g %.6g %d %d', g, b, math.max(now, at), messages), before)
end
redis.call('PEXPIRE', key, ARGV[2])
return 1

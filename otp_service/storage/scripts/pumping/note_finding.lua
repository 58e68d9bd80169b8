#!lua
-- Count something for the report of a day; days that are too old go when a new one begins.
-- KEYS[1] report of an application
-- ARGV[1] days that are kept   ARGV[2] how many different things at most   ARGV[3] what a thing more is counted as
-- ARGV[4…] things: what came of it, reason, value, joined by '|'
-- Returns how many different things the report has
local report = KEYS[1]
local today = math.floor(now_ms() / 86400000)
if number(report, 'day') ~= today then
  local old = {}
  for _, name in ipairs(redis.call('HKEYS', report)) do
    local day = tonumber(string.match(name, '^(%d+)|'))
    if day and day <= today - tonumber(ARGV[1]) then old[#old + 1] = name end
  end
  for _, name in ipairs(old) do redis.call('HDEL', report, name) end
  redis.call('HSET', report, 'day', today)
end
for _, thing in ipairs({unpack(ARGV, 4)}) do
  local name = string.format('%d|%s', today, thing)
  if redis.call('HLEN', report) >= tonumber(ARGV[2]) and redis.call('HEXISTS', report, name) == 0 then
    name = string.format('%d|%s', today, ARGV[3])
  end
  redis.call('HINCRBY', report, name, 1)
end
redis.call('PEXPIRE', report, (tonumber(ARGV[1]) + 1) * 86400000)
return redis.call('HLEN', report)

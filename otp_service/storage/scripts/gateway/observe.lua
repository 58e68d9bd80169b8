#!lua flags=allow-oom
-- Remember how a gateway's messages ended, the newest only.
-- KEYS[1] whether it was heard of messages in time   KEYS[2] ends of messages   KEYS[3] times to the delivery by group
-- ARGV[1] how many of the first are kept   ARGV[2] of the second, and of each group   ARGV[3] how many groups
-- ARGV[4] ms that they live   ARGV[5] how many of the first follow   ARGV[6] how many of the second
-- ARGV[7…] those: '1' | '0'; then ends: ms to delivery, or 'failed'; then group, ms to delivery, …
-- Returns 1
local told, heard, ends = {unpack(ARGV, 7)}, tonumber(ARGV[5]), tonumber(ARGV[6])
if heard > 0 then redis.call('LPUSH', KEYS[1], unpack(told, 1, heard)) end
if ends > 0 then redis.call('LPUSH', KEYS[2], unpack(told, heard + 1, heard + ends)) end
local delays = {}
for i = #told - 1, heard + ends + 1, -2 do  -- the newest first
  local of_group = delays[told[i]] or {}
  delays[told[i]] = of_group
  of_group[#of_group + 1] = told[i + 1]
end
for group, of_group in pairs(delays) do
  local before = redis.call('HGET', KEYS[3], group)
  if before or redis.call('HLEN', KEYS[3]) < tonumber(ARGV[3]) then
    for ms in string.gmatch(before or '', '%d+') do of_group[#of_group + 1] = ms end
    redis.call('HSET', KEYS[3], group, table.concat(of_group, ',', 1, math.min(#of_group, tonumber(ARGV[2]))))
  end
end
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[1]) - 1)
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[2]) - 1)
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[4])) end
return 1

#!lua flags=allow-oom
-- Remember how a gateway's messages ended, the newest only.
-- KEYS[1] whether it was heard of messages in time   KEYS[2] ends of messages   KEYS[3] times to the delivery by group
-- ARGV[1] how many of the first are kept   ARGV[2] of the second, and of each group   ARGV[3] how many groups
-- ARGV[4] ms that they live   ARGV[5] how many of the first follow   ARGV[6] how many of the second
-- ARGV[7…] those: '1' | '0'; then ends: ms to delivery, or 'failed'; then group, ms to delivery, …
-- Returns 1
local told, heard, ends = {unpack(ARGV, 7)}, tonumber(ARGV[5]), tonumber(ARGV[6])
for i = 1, heard + ends do
  redis.call('LPUSH', i <= heard and KEYS[1] or KEYS[2], told[i])
end
for i = heard + ends + 1, #told, 2 do
  local before = redis.call('HGET', KEYS[3], told[i])
  if before or redis.call('HLEN', KEYS[3]) < tonumber(ARGV[3]) then
    local kept = {told[i + 1]}
    for ms in string.gmatch(before or '', '%d+') do
      if #kept < tonumber(ARGV[2]) then kept[#kept + 1] = ms end
    end
    redis.call('HSET', KEYS[3], told[i], table.concat(kept, ','))
  end
end
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[1]) - 1)
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[2]) - 1)
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[4])) end
return 1

#!lua
-- Remember something unreadable, once. Where there are too many, the oldest are forgotten.
-- KEYS[1] what is unreadable
-- ARGV[1] its id   ARGV[2] what is known of it   ARGV[3] how many are kept   ARGV[4] ms that they are
-- Returns 1 if it is new
local key, most = KEYS[1], tonumber(ARGV[3])
if redis.call('TYPE', key).ok ~= 'hash' then redis.call('DEL', key) end
redis.call('PEXPIRE', key, tonumber(ARGV[4]))
if redis.call('HEXISTS', key, ARGV[1]) > 0 then return 0 end
if redis.call('HLEN', key) >= most then
  local flat, times = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do times[#times + 1] = {tonumber(string.match(flat[i + 1], '^(%d+)|')) or 0, flat[i]} end
  table.sort(times, function(a, b) return a[1] < b[1] end)
  for i = 1, math.ceil(most / 10) do redis.call('HDEL', key, times[i][2]) end
end
redis.call('HSET', key, ARGV[1], string.format('%d|%s', now_ms(), ARGV[2]))
redis.call('PEXPIRE', key, tonumber(ARGV[4]))
return 1

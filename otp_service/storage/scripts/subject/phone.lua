#!lua
-- Remember a phone that was verified for a subject. Repeating it changes only the time.
-- KEYS[1] subject
-- ARGV[1] application   ARGV[2] phone index   ARGV[3] phone, sealed   ARGV[4] most phones of a subject
-- ARGV[5] the caller's id of the person, sealed
-- Returns {word, extra, now, record}: ok
local subject = KEYS[1]
local now = now_ms()
redis.call('HSET', subject, 'application', ARGV[1], 'who', ARGV[5], 'p:' .. ARGV[2], ARGV[3], 'v:' .. ARGV[2], now)
local phones, oldest = 0, nil
for _, field in ipairs(redis.call('HKEYS', subject)) do
  if string.sub(field, 1, 2) == 'v:' and field ~= 'v:' .. ARGV[2] then
    phones = phones + 1
    if not oldest or number(subject, field) < number(subject, oldest) then oldest = field end
  end
end
if phones >= tonumber(ARGV[4]) then redis.call('HDEL', subject, oldest, 'p:' .. string.sub(oldest, 3)) end
settle_life(subject, now)
return answer('ok', subject, now)

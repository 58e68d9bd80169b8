#!lua flags=allow-oom
-- Count an attempt at a password before anybody looks at it; a right one forgets the count.
-- KEYS[1] wrong passwords
-- ARGV[1] wrong ones from which it waits   ARGV[2] first wait ms   ARGV[3] longest wait ms
-- ARGV[4] wrong ones that disable   ARGV[5] ms that it is remembered
-- Returns {word, ms}: judge | waiting (ms: for how long) | disabled
local fails, now = KEYS[1], now_ms()
local count, until_ms = number(fails, 'count'), number(fails, 'until')
if count >= tonumber(ARGV[4]) then return {'disabled', 0} end
if until_ms > now then return {'waiting', until_ms - now} end
count = redis.call('HINCRBY', fails, 'count', 1)
local over = count - tonumber(ARGV[1])
if over >= 0 then
  redis.call('HSET', fails, 'until', now + math.min(tonumber(ARGV[3]), tonumber(ARGV[2]) * 2 ^ math.min(over, 20)))
end
redis.call('PEXPIRE', fails, ARGV[5])
return {'judge', 0}

#!lua
-- Tell of a week once, however many processes have made its report, and have it mailed.
-- KEYS[1] what was reported   KEYS[2] due jobs of the application   KEYS[3] its outbox
-- ARGV[1] application   ARGV[2] week as YYYY-MM-DD   ARGV[3] the report, JSON   ARGV[4] job that mails it ('' for nobody)
-- Returns 1 if it was not told before, else 0
local known, due, out = KEYS[1], KEYS[2], KEYS[3]
if ARGV[2] <= text(known, 'week') then return 0 end
local now = now_ms()
redis.call('DEL', known)
redis.call('HSET', known, 'week', ARGV[2])
if ARGV[4] ~= '' then
  redis.call('HSET', known, 'report', ARGV[3])
  redis.call('ZADD', due, now, ARGV[4])
end
emit(out, due, now, 'application.weekly_report', ARGV[1], ARGV[1], 'report', ARGV[3])
return 1

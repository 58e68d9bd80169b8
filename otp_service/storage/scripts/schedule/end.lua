#!lua flags=allow-oom
-- A claimed job is done, or is to be done again later. If it was put anew meanwhile, that stands.
-- KEYS[1] due jobs
-- ARGV[1] job   ARGV[2] when the claim ends   ARGV[3] ms until it is due again ('' for never)
-- Returns 1 if the claim still stood
local due = KEYS[1]
if tonumber(redis.call('ZSCORE', due, ARGV[1]) or '0') ~= tonumber(ARGV[2]) then return 0 end
if ARGV[3] == '' then
  redis.call('ZREM', due, ARGV[1])
else
  redis.call('ZADD', due, now_ms() + tonumber(ARGV[3]), ARGV[1])
end
return 1

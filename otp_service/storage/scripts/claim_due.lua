#!lua
-- Take the jobs of one partition that are due, for a while: a worker that dies gives them back by doing nothing.
-- KEYS[1] due jobs
-- ARGV[1] lease ms   ARGV[2] how many at most
-- Returns {ms until the next job, '' if there is none, job, …}
local due = KEYS[1]
local now = now_ms()
local jobs = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))
for _, job in ipairs(jobs) do redis.call('ZADD', due, now + tonumber(ARGV[1]), job) end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
return {first[2] and tostring(math.max(0, first[2] - now)) or '', unpack(jobs)}

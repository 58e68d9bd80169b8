#!lua flags=allow-oom
-- Take the jobs of one lane that are due, for a while: a worker that dies gives them back by doing nothing.
-- KEYS[1] due jobs
-- ARGV[1] lease ms   ARGV[2] how many at most
-- Returns {ms until the next job, '' if there is none; when the lease ends; job, how late in ms, …}
local due = KEYS[1]
local now = now_ms()
local lease = now + tonumber(ARGV[1])
local jobs = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[2]))
for i = 1, #jobs, 2 do
  redis.call('ZADD', due, lease, jobs[i])
  jobs[i + 1] = tostring(now - jobs[i + 1])
end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
return {first[2] and tostring(math.max(0, first[2] - now)) or '', tostring(lease), unpack(jobs)}

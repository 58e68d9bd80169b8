#!lua
-- Remember of phones why they were refused just now; of an application only the newest are kept.
-- KEYS[1] refusals of an application
-- ARGV[1] ms that one is kept   ARGV[2] how many at most   ARGV[3…] refusals: `phone index|code|detail`
-- Returns 1
local refusals, now = KEYS[1], now_ms()
for _, refusal in ipairs({unpack(ARGV, 3)}) do redis.call('ZADD', refusals, now, refusal) end
redis.call('ZREMRANGEBYSCORE', refusals, '-inf', now - tonumber(ARGV[1]))
redis.call('ZREMRANGEBYRANK', refusals, 0, -tonumber(ARGV[2]) - 1)
redis.call('PEXPIRE', refusals, ARGV[1])
return 1

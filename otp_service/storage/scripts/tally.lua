#!lua
-- Add to two counts that fade with time, exp(-age / memory), and tell what they are now.
-- KEYS[1] tally
-- ARGV[1] memory ms   ARGV[2] added to the unverified   ARGV[3] added to the approved; either may be negative
-- Returns {unverified, approved}, as decimal texts
local tally = KEYS[1]
local now = now_ms()
local memory = tonumber(ARGV[1])
local faded = math.exp(-math.max(0, now - number(tally, 'at')) / memory)
local unverified = math.max(0, number(tally, 'unverified') * faded + tonumber(ARGV[2]))
local approved = math.max(0, number(tally, 'approved') * faded + tonumber(ARGV[3]))
local told = {string.format('%.4f', unverified), string.format('%.4f', approved)}
redis.call('HSET', tally, 'unverified', told[1], 'approved', told[2], 'at', now)
redis.call('PEXPIRE', tally, 5 * memory)  -- e^-5: less than one in a hundred is left
return told

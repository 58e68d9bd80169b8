#!lua
-- Count one more send to a number that the right code came from before, in its own two counts that fade; see tally.lua.
-- KEYS[1] that the phone was proved   KEYS[2] tally of the number
-- ARGV[1] memory ms
-- Returns {unverified, approved}, as decimal texts; {} if it was never proved, or that is forgotten
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
return add_to_tally(KEYS[2], tonumber(ARGV[1]), 1, 0)

#!lua
-- Add to two counts that fade with time, exp(-age / memory), and tell what they are now.
-- KEYS[1] tally
-- ARGV[1] memory ms   ARGV[2] added to the unverified   ARGV[3] added to the approved; either may be negative
-- Returns {unverified, approved}, as decimal texts
return add_to_tally(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))

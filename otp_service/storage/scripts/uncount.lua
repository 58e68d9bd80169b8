#!lua
-- Take events back from a sliding window, the latest first.
-- KEYS[1] counter
-- ARGV[1] how many
-- Returns how many were taken back
return uncount_events(KEYS[1], tonumber(ARGV[1]))

#!lua
-- Count one event in a sliding window, unless its quota is used up.
-- KEYS[1] counter
-- ARGV[1] quota   ARGV[2] window ms
-- Returns {ms until one more fits, now}; the ms are 0 if this one was counted
local now = now_ms()
local wait = until_fits(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), now)
if wait == 0 then count_event(KEYS[1], tonumber(ARGV[2]), now) end
return {wait, now}

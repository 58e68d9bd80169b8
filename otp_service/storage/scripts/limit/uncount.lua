#!lua flags=allow-oom
-- Take events back from a sliding window.
-- KEYS[1] counter
-- ARGV[1] window ms ('' for all events, whenever they were counted)   ARGV[2] ms that each was counted before its time
-- at most   ARGV[3…] their times, ms of Redis time
-- Returns how many were taken back
if ARGV[1] == '' then return uncount_events(KEYS[1], 2 ^ 53) end
return take_back_counted(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), {unpack(ARGV, 3)})

#!lua flags=allow-oom
-- Take events that were passed on out of their outbox.
-- KEYS[1] outbox
-- ARGV[1…] their ids
-- Returns how many were there
local cleared = redis.call('XDEL', KEYS[1], unpack(ARGV, 1))
-- An empty one ends, but late: a new one begins at the clock, which may have been set back meanwhile.
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('PEXPIRE', KEYS[1], 7 * 86400000) end
return cleared

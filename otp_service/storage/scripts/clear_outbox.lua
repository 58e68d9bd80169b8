#!lua
-- Take events that were passed on out of their outbox.
-- KEYS[1] outbox
-- ARGV[1…] their ids
-- Returns how many were there
return redis.call('XDEL', KEYS[1], unpack(ARGV, 1))

#!lua flags=allow-oom
-- Set fields of an account that is there, and end its sessions where that is asked for.
-- KEYS[1] account
-- ARGV[1] 1: end all sessions   ARGV[2…] field, value, …
-- Returns 1, or 0 if there is no such operator
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if #ARGV > 1 then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
if ARGV[1] == '1' then redis.call('HINCRBY', KEYS[1], 'epoch', 1) end
return 1

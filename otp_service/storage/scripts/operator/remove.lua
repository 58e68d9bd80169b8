#!lua flags=allow-oom
-- Remove an operator; sessions and links without their account are good for nothing.
-- KEYS[1] names of all operators   KEYS[2] account   KEYS[3] wrong passwords
-- ARGV[1] name
-- Returns 1, or 0 if there was no such operator
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3])
return redis.call('DEL', KEYS[2])

#!lua flags=allow-oom
-- Make an API key useless: its record and its place in the list go together.
-- KEYS[1] ids of all keys   KEYS[2] API key
-- ARGV[1] id
-- Returns 1 if there was such a key, else 0
redis.call('DEL', KEYS[2])
return redis.call('HDEL', KEYS[1], ARGV[1])

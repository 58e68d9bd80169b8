#!lua flags=allow-oom
-- Remember when an API key was used last.
-- KEYS[1] API key
-- Returns 1 if there is such a key, else 0
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'last_used_at', now_ms())
return 1

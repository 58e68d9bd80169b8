#!lua flags=allow-oom
-- Let others tell an endpoint, if this one still holds it.
-- KEYS[1] endpoint
-- ARGV[1] who took it
-- Returns 1 if it held it
if text(KEYS[1], 'holder') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'holder', 'lease')
return 1

#!lua flags=no-writes
-- Look an API key up, and judge its end by Redis time.
-- KEYS[1] API key
-- Returns {word, ms until its end ('' for none), record}: ok | expired | unknown
local key = KEYS[1]
if redis.call('EXISTS', key) == 0 then return {'unknown', '', {}} end
local ends, now = number(key, 'expires_at'), now_ms()
if ends > 0 and ends <= now then return {'expired', '', redis.call('HGETALL', key)} end
return {'ok', ends > 0 and tostring(ends - now) or '', redis.call('HGETALL', key)}

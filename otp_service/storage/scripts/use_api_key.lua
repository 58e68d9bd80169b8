#!lua
-- Look an API key up, judge its end by Redis time, and remember when it was used last.
-- KEYS[1] API key
-- ARGV[1] '1' if the use is to be written down, else '0'
-- Returns {word, ms until its end ('' for none), record}: ok | expired | unknown
local key = KEYS[1]
local now = now_ms()
if redis.call('EXISTS', key) == 0 then return {'unknown', '', {}} end
local ends = number(key, 'expires_at')
if ends > 0 and ends <= now then return {'expired', '', redis.call('HGETALL', key)} end
if ARGV[1] == '1' then redis.call('HSET', key, 'last_used_at', now) end
return {'ok', ends > 0 and tostring(ends - now) or '', redis.call('HGETALL', key)}

#!lua flags=no-writes
-- Which channels did not reach a phone.
-- KEYS[1] what is remembered of it
-- Returns {now, fields and values}
return {tostring(now_ms()), redis.call('HGETALL', KEYS[1])}

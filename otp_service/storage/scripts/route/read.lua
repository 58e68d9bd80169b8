#!lua flags=no-writes
-- How messages did, by gateway and group of people.
-- KEYS[1] counts of all gateways
-- Returns {now, fields and values}
return {tostring(now_ms()), redis.call('HGETALL', KEYS[1])}

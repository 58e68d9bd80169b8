#!lua flags=no-writes
-- How it stands with an endpoint.
-- KEYS[1] endpoint   KEYS[2] its open events   KEYS[3] state of the log
-- Returns {fields and values of the endpoint, open events, parked events, last sequence number}
local open = KEYS[2]
return {
  redis.call('HGETALL', KEYS[1]), redis.call('ZCOUNT', open, '-inf', '(inf'), redis.call('ZCOUNT', open, 'inf', 'inf'),
  text(KEYS[3], 'sequence'),
}

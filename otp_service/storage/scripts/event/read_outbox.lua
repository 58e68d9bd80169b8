#!lua flags=no-writes
-- The oldest events of an outbox.
-- KEYS[1] outbox
-- ARGV[1] how many at most
-- Returns {{id, {field, value, …}}, …}
return redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])

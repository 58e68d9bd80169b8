#!lua flags=allow-oom
-- An Idempotency-Key may be used again, unless it was already: then it names another verification.
-- KEYS[1] idempotency record
-- ARGV[1] verification id
-- Returns 1 if it was released, else 0
if text(KEYS[1], 'verification') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])

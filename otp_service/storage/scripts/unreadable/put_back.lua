#!lua
-- Put a key that was set aside back, unless there is another by now.
-- KEYS[1] where it is   KEYS[2] key
-- Returns 1, or 0 if it was not done
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[2]) > 0 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('PERSIST', KEYS[2])
return 1

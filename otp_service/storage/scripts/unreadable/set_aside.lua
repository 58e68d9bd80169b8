#!lua
-- Take a key of the wrong type out of everybody's way.
-- KEYS[1] key   KEYS[2] where it goes
-- ARGV[1] the type that it should have   ARGV[2] ms that it is kept there
-- Returns 1, or 0 if somebody else has done it
local found = redis.call('TYPE', KEYS[1]).ok
if found == 'none' or found == ARGV[1] then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[2]))
return 1

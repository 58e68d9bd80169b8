#!lua
-- Raise the alarm of too many wrong codes for a while, and tell of it when it was not raised already.
-- KEYS[1] alarm   KEYS[2] due jobs of its lane   KEYS[3] outbox of its lane
-- ARGV[1] seconds   ARGV[2] type of the event   ARGV[3] application ('' for all)   ARGV[4] wrong codes   ARGV[5] budget
-- Returns 1 if it was not raised, else 0
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
emit(KEYS[3], KEYS[2], now_ms(), ARGV[2], ARGV[3], ARGV[3], 'wrong', ARGV[4], 'budget', ARGV[5])
return 1

#!lua
-- Append one entry to the audit log, and drop those whose time is over. Nothing else ever changes an entry.
-- KEYS[1] audit log
-- ARGV[1] ms that an entry is kept   ARGV[2…] field, value, … of the entry
-- Returns the id of the entry, as text
local now = now_ms()
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d', now - tonumber(ARGV[1])))
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return id

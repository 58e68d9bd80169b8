#!lua
-- Draw a block of client ids: never repeated, also when Redis lost its data, since they never fall behind the clock.
-- KEYS[1] last id of the account
-- ARGV[1] how many
-- Returns the first id of the block, as text
local count = tonumber(ARGV[1])
local last = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now_ms())
redis.call('SET', KEYS[1], string.format('%d', last + count))
return string.format('%d', last + 1)

#!lua
-- Keep one thing that callers of the Twilio facade made, if there is room for one more of its family.
-- KEYS[1] what they made in one application
-- ARGV[1] name   ARGV[2] the thing, JSON   ARGV[3] how the names of its family begin   ARGV[4] how many there may be
-- ARGV[5] 'new' (there must be none of this name) | 'known' (there must be one)
-- Returns put | taken | full | absent
local things = KEYS[1]
local there = redis.call('HEXISTS', things, ARGV[1]) > 0
if ARGV[5] == 'known' then
  if not there then return 'absent' end
elseif there then
  return 'taken'
else
  local count = 0
  for _, name in ipairs(redis.call('HKEYS', things)) do
    if string.sub(name, 1, #ARGV[3]) == ARGV[3] then count = count + 1 end
  end
  if count >= tonumber(ARGV[4]) then return 'full' end
end
redis.call('HSET', things, ARGV[1], ARGV[2])
return 'put'

#!lua
-- Keep what a gateway pushed to us about a message, and have the gateway asked at once whether it is so. Moves no
-- status: whoever knows the address of the callback could have sent it.
-- KEYS[1] verification   KEYS[2] due jobs
-- ARGV[1] id   ARGV[2] the gateway's id of the message   ARGV[3] status
-- Returns 1 if it is news, else 0
local v, due = KEYS[1], KEYS[2]
open(v)
for n = 1, number(v, 'messages') do
  local m = 'm' .. n .. ':'
  if text(v, m .. 'provider_id') == ARGV[2] and text(v, m .. 'ended_at') == '' and text(v, m .. 'pushed') ~= ARGV[3] then
    put(m .. 'pushed', ARGV[3], 'look_at', now_ms())
    plan(due, ARGV[1])
    save()
    return 1
  end
end
return 0

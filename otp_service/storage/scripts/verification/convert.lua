#!lua
-- Note that the code of a delivery was entered, as its caller says. Repeating it changes nothing.
-- KEYS[1] verification   KEYS[2] due jobs   KEYS[3] outbox
-- ARGV[1] id   ARGV[2] application
-- Returns {word, extra, now, record}: converted | known (it was noted before) | not_found
local v, due, out = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
if not belongs(v, ARGV[2], 'delivery') then return {'not_found', '', tostring(now), {}} end
open(v)
if text(v, 'converted_at') ~= '' then
  touch(now)
  return close('known', now)
end
put('converted_at', now)
emit_of(v, due, out, ARGV[1], 'delivery.converted', now, nil, carrier(v))
return close('converted', now)

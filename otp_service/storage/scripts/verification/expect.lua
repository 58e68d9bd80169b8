#!lua
-- From now on the person may send the code, beside whatever we send; a second time changes nothing.
-- KEYS[1] verification   KEYS[2] due jobs
-- ARGV[1] id   ARGV[2] application ('' for any)   ARGV[3] number to which it is sent   ARGV[4] word before it ('' for none)
-- Returns {word, extra, now, record}: expected | closed (no longer pending) | not_found
local v, due = KEYS[1], KEYS[2]
local now = now_ms()
if not belongs(v, ARGV[2]) then return {'not_found', '', tostring(now), {}} end
open(v)
if status_at(v, now) ~= 'pending' then return close('closed', now) end
if text(v, 'inbound_number') == '' then
  put('inbound_number', ARGV[3])
  if ARGV[4] ~= '' then put('inbound_prefix', ARGV[4]) end
  changed()
else
  touch(now)
end
plan(due, ARGV[1])
return close('expected', now)

#!lua
-- Remove everything of a subject: factors, backup codes, verified phones, attempts.
-- KEYS[1] subject   KEYS[2] decoy: attempts at what is not there
-- ARGV[1] application
-- Returns {word, extra, now, record}: ok (the record as it was before)
local subject, decoy = KEYS[1], KEYS[2]
local now = now_ms()
local found = {'ok', '', tostring(now), {}}
if text(subject, 'application') == ARGV[1] then found = answer('ok', subject, now) end
redis.call('DEL', subject, decoy)
return found

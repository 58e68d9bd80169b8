#!lua flags=no-writes
-- Everything of a subject as it is now.
-- KEYS[1] subject
-- ARGV[1] application
-- Returns {word, extra, now, record}: ok | not_found
local subject = KEYS[1]
local now = now_ms()
if text(subject, 'application') ~= ARGV[1] then return {'not_found', '', tostring(now), {}} end
return answer('ok', subject, now)

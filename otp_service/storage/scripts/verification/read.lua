#!lua flags=no-writes
-- A verification as it is now.
-- KEYS[1] verification
-- ARGV[1] application ('' for any: the worker)   ARGV[2] 'delivery' for one, '' for a verification
-- Returns {word, extra, now, record}: ok | not_found
local v = KEYS[1]
local now = now_ms()
if not belongs(v, ARGV[1], ARGV[2]) then
  return {'not_found', '', tostring(now), {}}
end
return answer('ok', v, now)

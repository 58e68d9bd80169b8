#!lua flags=allow-oom
-- Cancel a pending verification; a final one stays as it is.
-- KEYS[1] verification   KEYS[2] due jobs   KEYS[3] outbox
-- ARGV[1] id   ARGV[2] application
-- Returns {word, extra, now, record}: ok | not_found
local v, due, out = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
if not belongs(v, ARGV[2]) then return {'not_found', '', tostring(now), {}} end
open(v)
local status = status_at(v, now)
if status == 'pending' then
  finish(v, due, out, ARGV[1], 'canceled', now)
elseif status == 'expired' and text(v, 'status') == 'pending' then
  finish(v, due, out, ARGV[1], 'expired', now)
else
  touch(now)
end
return close('ok', now)

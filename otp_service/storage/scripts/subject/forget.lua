#!lua flags=allow-oom
-- Remove everything of a subject: factors, backup codes, verified phones, attempts.
-- KEYS[1] subject   KEYS[2] decoy: attempts at what is not there   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] application
-- Returns {word, extra, now, record}: ok (the record as it was before)
local subject, decoy, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = now_ms()
local found = {'ok', '', tostring(now), {}}
if text(subject, 'application') == ARGV[1] then
  found = answer('ok', subject, now)
  for id in pairs(authenticators(subject, now)) do tell(subject, out, due, now, 'factor.removed', 'totp', id) end
  local s = state(subject, 'b')
  if s then tell(subject, out, due, now, 'factor.removed', 'backup_code', '', 'left', s.left) end
end
redis.call('DEL', subject, decoy)
return found

#!lua
-- Remove an authenticator.
-- KEYS[1] subject   KEYS[2] due jobs   KEYS[3] outbox
-- ARGV[1] application   ARGV[2] id
-- Returns {word, extra, now, record}: removed (the record as it was before) | not_found
local subject, due, out = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
local all = authenticators(subject, now)
if text(subject, 'application') ~= ARGV[1] or not all[ARGV[2]] then
  return {'not_found', '', tostring(now), {}}
end
local found = answer('removed', subject, now)
tell(subject, out, due, now, 'factor.removed', 'totp', ARGV[2])
redis.call('HDEL', subject, 't:' .. ARGV[2])
all[ARGV[2]] = nil
keep(subject, 's', all)
settle_life(subject, now)
return found

#!lua
-- Add an authenticator: unconfirmed after an enrolment, confirmed where it is imported.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] application   ARGV[2] id   ARGV[3] sealed   ARGV[4] digits   ARGV[5] algorithm
-- ARGV[6] keyed hash of an imported secret ('' for an enrolment)   ARGV[7] fingerprint of the body ('' without a key)
-- ARGV[8] life of op ms   ARGV[9] ms in which it has to be confirmed   ARGV[10] most authenticators of a subject
-- ARGV[11] the caller's id of the person, sealed   ARGV[12] period of a code in seconds
-- Returns {word, extra, now, record}: enrolled | replay (extra: id) | known (extra: id) | mismatch | too_many
local subject, op, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local application, new_id, sealed, digits, algorithm = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local imported, body, op_life, confirm_ms, most, who = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local period = ARGV[12]
local now = now_ms()
local word, id = repeated(op, body, now, '0')
if word == 'mismatch' or word == 'replay' then return answer(word, subject, now, id) end

local all = authenticators(subject, now)
local count_of, oldest = 0, nil
for one, s in pairs(all) do
  if imported ~= '' and s.imported == imported then return answer('known', subject, now, one) end
  count_of = count_of + 1
  if s.status == 'unconfirmed' and (not oldest or s.created_at < all[oldest].created_at) then oldest = one end
end
if count_of >= tonumber(most) then
  if not oldest then return answer('too_many', subject, now) end
  redis.call('HDEL', subject, 't:' .. oldest)
  all[oldest] = nil
end

local s = {status = 'unconfirmed', digits = tonumber(digits), algorithm = algorithm, created_at = now, confirmed_at = 0,
  used_at = 0, expires_at = now + tonumber(confirm_ms), step = 0, drift = 0, fails = 0, wait_until = 0, period = tonumber(period)}
if imported ~= '' then s.status, s.imported, s.confirmed_at, s.expires_at = 'confirmed', imported, now, 0 end
redis.call('HSET', subject, 'application', application, 'who', who, 't:' .. new_id, sealed)
all[new_id] = s
keep(subject, 's', all)
settle_life(subject, now)
if imported == '' then tell(subject, out, due, now, 'factor.enrolled', 'totp', new_id) end
conclude(op, body, new_id, now, op_life)
return answer('enrolled', subject, now, new_id)

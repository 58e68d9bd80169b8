#!lua
-- Add an authenticator: unconfirmed after an enrolment, confirmed where it is imported.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] application   ARGV[2] id   ARGV[3] sealed   ARGV[4] digits   ARGV[5] algorithm
-- ARGV[6] keyed hash of an imported secret ('' for an enrolment)   ARGV[7] fingerprint of the body ('' without a key)
-- ARGV[8] life of op ms   ARGV[9] ms in which it has to be confirmed   ARGV[10] most authenticators of a subject
-- ARGV[11] the caller's id of the person, sealed   ARGV[12] period of a code in seconds
-- Returns {word, extra, now, record}: enrolled | replay (extra: id) | known (extra: id) | mismatch | too_many
local subject, op, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = now_ms()
local word, id = repeated(op, ARGV[7], now, '0')
if word == 'mismatch' or word == 'replay' then return answer(word, subject, now, id) end

local all = authenticators(subject, now)
local count_of, oldest = 0, nil
for one, s in pairs(all) do
  if ARGV[6] ~= '' and s.imported == ARGV[6] then return answer('known', subject, now, one) end
  count_of = count_of + 1
  if s.status == 'unconfirmed' and (not oldest or s.created_at < all[oldest].created_at) then oldest = one end
end
if count_of >= tonumber(ARGV[10]) then
  if not oldest then return answer('too_many', subject, now) end
  redis.call('HDEL', subject, 't:' .. oldest)
  all[oldest] = nil
end

local s = {status = 'unconfirmed', digits = tonumber(ARGV[4]), algorithm = ARGV[5], created_at = now, confirmed_at = 0,
  used_at = 0, expires_at = now + tonumber(ARGV[9]), step = 0, drift = 0, fails = 0, wait_until = 0, period = tonumber(ARGV[12])}
if ARGV[6] ~= '' then s.status, s.imported, s.confirmed_at, s.expires_at = 'confirmed', ARGV[6], now, 0 end
redis.call('HSET', subject, 'application', ARGV[1], 'who', ARGV[11], 't:' .. ARGV[2], ARGV[3])
all[ARGV[2]] = s
keep(subject, 's', all)
settle_life(subject, now)
if ARGV[6] == '' then tell(subject, out, due, now, 'factor.enrolled', 'totp', ARGV[2]) end
conclude(op, ARGV[7], ARGV[2], now, ARGV[8])
return answer('enrolled', subject, now, ARGV[2])

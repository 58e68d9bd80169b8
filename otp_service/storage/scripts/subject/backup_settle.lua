#!lua flags=allow-oom
-- Turn a judged attempt at backup codes into its outcome. Each code is accepted once.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] selector   ARGV[2] the stored hash that matched ('' for none)   ARGV[3] fingerprint ('' without a key)
-- ARGV[4] life of op ms   ARGV[5] failures that disable
-- Returns {word, extra, now, record}: settled (extra: outcome; the record has no more than the caller may be told)
local subject, op, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = now_ms()
local word, verdict = repeated(op, ARGV[3], now, '0')
if word == 'replay' then return answer('settled', subject, now, verdict) end  -- a twin of this request was faster

local field = 'b:' .. ARGV[1]
local s = state(subject, 'b')
local outcome = 'wrong_code'
if s and ARGV[2] ~= '' and text(subject, field) == 'l' .. ARGV[2] then
  outcome = 'approved'
  redis.call('HSET', subject, field, 'u' .. ARGV[2])
  forgive(s)
  s.left, s.used_at = s.left - 1, now
  keep(subject, 'b', s)
  tell(subject, out, due, now, 'backup_code.used', 'backup_code', '', 'left', s.left)
elseif s and ARGV[2] ~= '' and text(subject, field) == 'u' .. ARGV[2] then
  outcome = 'already_used'
end
if s and outcome ~= 'approved' and lock(s, ARGV[5]) then
  keep(subject, 'b', s)
  tell(subject, out, due, now, 'factor.locked', 'backup_code', '', 'left', s.left)
end
conclude(op, ARGV[3], outcome, now, ARGV[4])
return answer_with('settled', subject, now, outcome, outcome == 'approved' and {'b'} or {})

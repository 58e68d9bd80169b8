#!lua
-- Count one attempt at the backup codes of a subject before anybody looks at the code.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] decoy: attempts at what is not there
-- ARGV[1] application   ARGV[2] fingerprint of the body ('' without a key)   ARGV[3] life of op ms
-- ARGV[4] ms after which an unsettled op counts as dead   ARGV[5] failures from which a factor waits
-- ARGV[6] first wait ms   ARGV[7] longest wait ms   ARGV[8] failures that disable
-- Returns {word, extra, now, record}: judge | replay (extra: verdict) | running (extra: ms) | mismatch
--   | waiting (extra: ms) | disabled
local subject, op, decoy = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
local word, extra = repeated(op, ARGV[2], now, ARGV[4])
if word == 'again' then
  begin(op, ARGV[2], now, ARGV[3])
  return answer('judge', subject, now)
end
if word then return answer(word, subject, now, extra) end

local s = text(subject, 'application') == ARGV[1] and state(subject, 'b')
if s then
  word, extra = count(s, now, ARGV[5], ARGV[6], ARGV[7], ARGV[8])
  if word == 'judge' then keep(subject, 'b', s) end
else
  word, extra = count_decoy(decoy, 'backup_code', now, ARGV[5], ARGV[6], ARGV[7], ARGV[8])
end
if word == 'judge' then begin(op, ARGV[2], now, ARGV[3]) end
return answer(word, subject, now, extra)

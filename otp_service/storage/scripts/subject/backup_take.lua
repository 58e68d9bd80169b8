#!lua flags=allow-oom
-- Count one attempt at the backup codes of a subject before anybody looks at the code.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] decoy: attempts at what is not there
-- ARGV[1] application   ARGV[2] fingerprint of the body ('' without a key)   ARGV[3] life of op ms
-- ARGV[4] ms after which an unsettled op counts as dead   ARGV[5] failures from which a factor waits
-- ARGV[6] first wait ms   ARGV[7] longest wait ms   ARGV[8] failures that disable
-- ARGV[9] selector   ARGV[10] state of the decoy   ARGV[11] sealed decoy   ARGV[12] hash of the decoy
-- Returns {word, extra, now, record}: judge (extra: `decoy` where nothing is there; the record has no more than this
--   code needs) | replay (extra: verdict) | running (extra: ms) | mismatch
--   | waiting (extra: ms) | disabled
local subject, op, decoy = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
local s = text(subject, 'application') == ARGV[1] and state(subject, 'b')
local function judge()
  begin(op, ARGV[2], now, ARGV[3])
  local known = s and redis.call('HGET', subject, 'b:' .. ARGV[9])
  if not known then known = ARGV[12] end
  if not s then return {'judge', 'decoy', tostring(now), {'b', ARGV[10], 'bs', ARGV[11], 'b:' .. ARGV[9], known}} end
  local found = answer_with('judge', subject, now, '', {'b', 'bs'})
  found[4][5], found[4][6] = 'b:' .. ARGV[9], known
  return found
end

local word, extra = repeated(op, ARGV[2], now, ARGV[4])
if word == 'again' then return judge() end
if word then return answer(word, subject, now, extra) end

if s then
  word, extra = count(s, now, ARGV[5], ARGV[6], ARGV[7], ARGV[8])
  if word == 'judge' then keep(subject, 'b', s) end
else
  word, extra = count_decoy(decoy, 'backup_code', now, ARGV[5], ARGV[6], ARGV[7], ARGV[8])
end
if word == 'judge' then return judge() end
return answer(word, subject, now, extra)

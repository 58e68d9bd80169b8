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
local application, body, op_life, dead_ms, waiting_from = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local first_wait, longest_wait, disabling, selector, decoy_state = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local decoy_sealed, decoy_hash = ARGV[11], ARGV[12]
local now = now_ms()
local s = text(subject, 'application') == application and state(subject, 'b')
local function judge()
  begin(op, body, now, op_life)
  local known = s and redis.call('HGET', subject, 'b:' .. selector)
  if not known then known = decoy_hash end
  if not s then return {'judge', 'decoy', tostring(now), {'b', decoy_state, 'bs', decoy_sealed, 'b:' .. selector, known}} end
  local found = answer_with('judge', subject, now, '', {'b', 'bs'})
  found[4][5], found[4][6] = 'b:' .. selector, known
  return found
end

local word, extra = repeated(op, body, now, dead_ms)
if word == 'again' then return judge() end
if word then return answer(word, subject, now, extra) end

if s then
  word, extra = count(s, now, waiting_from, first_wait, longest_wait, disabling)
  if word == 'judge' then keep(subject, 'b', s) end
else
  word, extra = count_decoy(decoy, 'backup_code', now, waiting_from, first_wait, longest_wait, disabling)
end
if word == 'judge' then return judge() end
return answer(word, subject, now, extra)

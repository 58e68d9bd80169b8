#!lua flags=allow-oom
-- Count one attempt at authenticators before anybody looks at the code; counting after would let parallel guesses through.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] decoy: attempts at what is not there
-- ARGV[1] application   ARGV[2] 'confirm' | 'check' (one authenticator) | 'any' (all confirmed ones)
-- ARGV[3] id of the one, or how many digits those of 'any' have   ARGV[4] fingerprint of the body ('' without a key)
-- ARGV[5] life of op ms   ARGV[6] ms after which an unsettled op counts as dead
-- ARGV[7] failures from which a factor waits   ARGV[8] first wait ms   ARGV[9] longest wait ms   ARGV[10] failures that disable
-- ARGV[11] how many digits the code has   ARGV[12] state of the decoy   ARGV[13] sealed decoy   ARGV[14] its sealed subject
-- Returns {word, extra, now, record}: judge (extra: ids to be judged, `decoy` where nothing is there; the record has
--   no more than these need) | not_found
--   | unconfirmed | confirmed | replay (extra: verdict) | running (extra: ms) | mismatch
--   | wrong_length (extra: digits of the one's codes) | waiting (extra: ms) | disabled
local subject, op, decoy = KEYS[1], KEYS[2], KEYS[3]
local application, mode, wanted, body, op_life, dead_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local waiting_from, first_wait, longest_wait, disabling, given = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local decoy_state, decoy_sealed, decoy_who = ARGV[12], ARGV[13], ARGV[14]
local now = now_ms()
local ours = text(subject, 'application') == application
local all = ours and authenticators(subject, now) or {}
local ids = {}
if mode == 'any' then
  for id, s in pairs(all) do
    if s.status == 'confirmed' and s.digits == tonumber(wanted) then ids[#ids + 1] = id end
  end
elseif all[wanted] then
  ids = {wanted}
else
  return {'not_found', '', tostring(now), {}}
end

local function judge(judged)
  if judged == 'decoy' then
    return {'judge', judged, tostring(now), {'who', decoy_who, 's', decoy_state, 't:decoy', decoy_sealed}}
  end
  local fields = {'who', 's'}
  for id in string.gmatch(judged, '[^,]+') do fields[#fields + 1] = 't:' .. id end
  return answer_with('judge', subject, now, judged, fields)
end

local word, extra = repeated(op, body, now, dead_ms)
if word == 'again' then
  begin(op, body, now, op_life)
  return judge(text(op, 'judged'))
end
if word then return answer(word, subject, now, extra) end

if mode ~= 'any' then
  local confirmed = all[wanted].status == 'confirmed'
  if mode == 'confirm' and confirmed then return answer('confirmed', subject, now) end
  if mode == 'check' and not confirmed then return answer('unconfirmed', subject, now) end
  local digits = all[wanted].digits
  if digits ~= tonumber(given) then return answer('wrong_length', subject, now, digits) end
end

local judged, soonest = {}, nil
for _, id in ipairs(ids) do
  local verdict, ms = count(all[id], now, waiting_from, first_wait, longest_wait, disabling)
  if verdict == 'judge' then
    judged[#judged + 1] = id
  elseif verdict == 'waiting' then
    soonest = math.min(soonest or ms, ms)
  end
end
if #ids == 0 then
  word, soonest = count_decoy(decoy, 'totp', now, waiting_from, first_wait, longest_wait, disabling)
else
  word = #judged > 0 and 'judge' or soonest and 'waiting' or 'disabled'
end
if word ~= 'judge' then return answer(word, subject, now, soonest) end
if #ids > 0 then keep(subject, 's', all) end
judged = #ids > 0 and table.concat(judged, ',') or 'decoy'
begin(op, body, now, op_life)
if body ~= '' then redis.call('HSET', op, 'judged', judged) end
return judge(judged)

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
local now = now_ms()
local ours = text(subject, 'application') == ARGV[1]
local all = ours and authenticators(subject, now) or {}
local ids = {}
if ARGV[2] == 'any' then
  for id, s in pairs(all) do
    if s.status == 'confirmed' and s.digits == tonumber(ARGV[3]) then ids[#ids + 1] = id end
  end
elseif all[ARGV[3]] then
  ids = {ARGV[3]}
else
  return {'not_found', '', tostring(now), {}}
end

local function judge(judged)
  if judged == 'decoy' then
    return {'judge', judged, tostring(now), {'who', ARGV[14], 's', ARGV[12], 't:decoy', ARGV[13]}}
  end
  local fields = {'who', 's'}
  for id in string.gmatch(judged, '[^,]+') do fields[#fields + 1] = 't:' .. id end
  return answer_with('judge', subject, now, judged, fields)
end

local word, extra = repeated(op, ARGV[4], now, ARGV[6])
if word == 'again' then
  begin(op, ARGV[4], now, ARGV[5])
  return judge(text(op, 'judged'))
end
if word then return answer(word, subject, now, extra) end

if ARGV[2] ~= 'any' then
  local confirmed = all[ARGV[3]].status == 'confirmed'
  if ARGV[2] == 'confirm' and confirmed then return answer('confirmed', subject, now) end
  if ARGV[2] == 'check' and not confirmed then return answer('unconfirmed', subject, now) end
  local digits = all[ARGV[3]].digits
  if digits ~= tonumber(ARGV[11]) then return answer('wrong_length', subject, now, digits) end
end

local judged, soonest = {}, nil
for _, id in ipairs(ids) do
  local verdict, ms = count(all[id], now, ARGV[7], ARGV[8], ARGV[9], ARGV[10])
  if verdict == 'judge' then
    judged[#judged + 1] = id
  elseif verdict == 'waiting' then
    soonest = math.min(soonest or ms, ms)
  end
end
if #ids == 0 then
  word, soonest = count_decoy(decoy, 'totp', now, ARGV[7], ARGV[8], ARGV[9], ARGV[10])
else
  word = #judged > 0 and 'judge' or soonest and 'waiting' or 'disabled'
end
if word ~= 'judge' then return answer(word, subject, now, soonest) end
if #ids > 0 then keep(subject, 's', all) end
judged = #ids > 0 and table.concat(judged, ',') or 'decoy'
begin(op, ARGV[4], now, ARGV[5])
if ARGV[4] ~= '' then redis.call('HSET', op, 'judged', judged) end
return judge(judged)

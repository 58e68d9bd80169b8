#!lua
-- Count one attempt at authenticators before anybody looks at the code; counting after would let parallel guesses through.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] decoy: attempts at what is not there
-- ARGV[1] application   ARGV[2] 'confirm' | 'check' (one authenticator) | 'any' (all confirmed ones)
-- ARGV[3] id of the one, or how many digits those of 'any' have   ARGV[4] fingerprint of the body ('' without a key)
-- ARGV[5] life of op ms   ARGV[6] ms after which an unsettled op counts as dead
-- ARGV[7] failures from which a factor waits   ARGV[8] first wait ms   ARGV[9] longest wait ms   ARGV[10] failures that disable
-- Returns {word, extra, now, record}: judge (extra: ids to be judged, '' where nothing is there to judge) | not_found
--   | unconfirmed | confirmed | replay (extra: verdict) | running (extra: ms) | mismatch | waiting (extra: ms) | disabled
local subject, op, decoy = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
local ours = text(subject, 'application') == ARGV[1]
local ids = {}
if ARGV[2] == 'any' then
  for _, id in ipairs(ours and authenticators(subject) or {}) do
    local s = authenticator(subject, id, now)
    if s and s.status == 'confirmed' and s.digits == tonumber(ARGV[3]) then ids[#ids + 1] = id end
  end
else
  if not (ours and authenticator(subject, ARGV[3], now)) then return {'not_found', '', tostring(now), {}} end
  ids = {ARGV[3]}
end

local word, extra = repeated(op, ARGV[4], now, ARGV[6])
if word == 'again' then
  begin(op, ARGV[4], now, ARGV[5])
  return answer('judge', subject, now, text(op, 'judged'))
end
if word then return answer(word, subject, now, extra) end

if ARGV[2] ~= 'any' then
  local confirmed = authenticator(subject, ARGV[3], now).status == 'confirmed'
  if ARGV[2] == 'confirm' and confirmed then return answer('confirmed', subject, now) end
  if ARGV[2] == 'check' and not confirmed then return answer('unconfirmed', subject, now) end
end

local judged, soonest = {}, nil
for _, id in ipairs(ids) do
  local s = authenticator(subject, id, now)
  local verdict, ms = count(s, now, ARGV[7], ARGV[8], ARGV[9], ARGV[10])
  if verdict == 'judge' then
    keep(subject, 's:' .. id, s)
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
judged = table.concat(judged, ',')
begin(op, ARGV[4], now, ARGV[5])
if ARGV[4] ~= '' then redis.call('HSET', op, 'judged', judged) end
return answer('judge', subject, now, judged)

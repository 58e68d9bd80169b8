#!lua flags=allow-oom
-- Turn a judged attempt at authenticators into its outcome. A step is accepted once: only a later one than the last moves it.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] 'confirm' | 'check' | 'any'   ARGV[2] id that matched ('' for none)   ARGV[3] the step of the code   ARGV[4] drift
-- ARGV[5] fingerprint ('' without a key)   ARGV[6] life of op ms   ARGV[7] failures that disable
-- ARGV[8] id that the code belongs to at another time ('' for none)   ARGV[9] the step of that time   ARGV[10] seconds until then
-- ARGV[11…] ids that were judged
-- Returns {word, extra, now, record}: settled (extra: outcome `:` id where one matched `:` seconds of `clock_off`; the
--   record has no more than the caller may be told)
local subject, op, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local mode, matched, step, drift, body, op_life = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local disabling, other, other_step, seconds = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local now = now_ms()
local word, verdict = repeated(op, body, now, '0')
if word == 'replay' then return answer('settled', subject, now, verdict) end  -- a twin of this request was faster

local judged = {unpack(ARGV, 11)}
local all = authenticators(subject, now)
local s = all[matched]
local outcome = 'wrong_code'
if s and mode == 'confirm' and s.status == 'confirmed' then
  outcome = 'already_confirmed'
elseif s and (tonumber(step) <= s.step or (s.barred or {})[step]) then
  outcome = 'already_used'
elseif s then
  outcome = 'approved'
  local first = s.status == 'unconfirmed'
  if first then s.status, s.confirmed_at, s.expires_at = 'confirmed', now, 0 end
  s.step, s.drift, s.used_at = tonumber(step), tonumber(drift), now
  for _, id in ipairs(judged) do
    if all[id] then forgive(all[id]) end
  end
  keep(subject, 's', all)
  if first then
    settle_life(subject, now)
    tell(subject, out, due, now, 'factor.confirmed', 'totp', matched)
  end
end

-- A code of another time. Who guessed it must not be able to use it when its time comes, so that step is barred: the
-- holder of the device has another code by then. Where many are barred already, nothing is said.
local off, clock_off = all[other], nil
if off and outcome == 'wrong_code' then
  local barred, count_of, oldest = {}, 0, math.floor(now / ((off.period or 30) * 1000)) - 10
  for step in pairs(off.barred or {}) do
    if tonumber(step) >= oldest then barred[step], count_of = true, count_of + 1 end
  end
  if count_of < 32 then
    clock_off = seconds
    if tonumber(seconds) > 0 then barred[other_step] = true end
  end
  off.barred = next(barred) and barred or nil
  keep(subject, 's', all)
end
if outcome ~= 'approved' then
  for _, id in ipairs(judged) do
    if all[id] and lock(all[id], disabling) then
      keep(subject, 's', all)
      tell(subject, out, due, now, 'factor.locked', 'totp', id)
    end
  end
end
if s then outcome = outcome .. ':' .. matched end
conclude(op, body, outcome, now, op_life)
if clock_off then
  if body ~= '' then redis.call('HSET', op, 'clock_off', clock_off) end  -- beside a verdict that every version knows
  outcome = 'clock_off::' .. clock_off
end
local told = {}
if s or mode ~= 'any' then told = {'who', 's', 't:' .. (s and matched or judged[1])} end
return answer_with('settled', subject, now, outcome, told)

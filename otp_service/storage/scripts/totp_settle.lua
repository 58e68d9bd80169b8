#!lua
-- Turn a judged attempt at authenticators into its outcome. A step is accepted once: only a later one than the last moves it.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] 'confirm' | 'check'   ARGV[2] id that matched ('' for none)   ARGV[3] the step of the code   ARGV[4] drift
-- ARGV[5] fingerprint ('' without a key)   ARGV[6] life of op ms   ARGV[7] failures that disable   ARGV[8…] ids that were judged
-- Returns {word, extra, now, record}: settled (extra: outcome, and `:` and the id where one matched)
local subject, op, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = now_ms()
local word, verdict = repeated(op, ARGV[5], now, '0')
if word == 'replay' then return answer('settled', subject, now, verdict) end  -- a twin of this request was faster

local judged = {unpack(ARGV, 8)}
local s = ARGV[2] ~= '' and authenticator(subject, ARGV[2], now)
local outcome = 'wrong_code'
if s then
  if ARGV[1] == 'confirm' and s.status == 'confirmed' then
    outcome = 'already_confirmed'
  elseif tonumber(ARGV[3]) <= s.step then
    outcome = 'already_used'
  else
    outcome = 'approved'
    for _, id in ipairs(judged) do
      local other = authenticator(subject, id, now)
      if other then
        forgive(other)
        keep(subject, 's:' .. id, other)
      end
    end
    s = authenticator(subject, ARGV[2], now)
    s.step, s.drift, s.used_at = tonumber(ARGV[3]), tonumber(ARGV[4]), now
    local first = s.status == 'unconfirmed'
    if first then s.status, s.confirmed_at, s.expires_at = 'confirmed', now, 0 end
    keep(subject, 's:' .. ARGV[2], s)
    if first then tell(subject, out, due, now, 'factor.confirmed', 'totp', ARGV[2]) end
    settle_life(subject, now)
  end
end
if outcome ~= 'approved' then
  for _, id in ipairs(judged) do
    local other = authenticator(subject, id, now)
    if other and lock(other, ARGV[7]) then
      keep(subject, 's:' .. id, other)
      tell(subject, out, due, now, 'factor.locked', 'totp', id)
    end
  end
end
if s then outcome = outcome .. ':' .. ARGV[2] end
conclude(op, ARGV[5], outcome, now, ARGV[6])
return answer('settled', subject, now, outcome)

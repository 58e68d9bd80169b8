#!lua
-- Turn a judged attempt into its outcome. Exactly one call moves `pending` to `approved`; the others hear what was.
-- KEYS[1] verification   KEYS[2] fails of the phone   KEYS[3] pause of the phone   KEYS[4] due jobs   KEYS[5] outbox
-- KEYS[6] that the phone was proved   KEYS[7…] counters of wrong codes, as the attempt was counted in them
-- ARGV[1] id   ARGV[2] '1' if the code matched   ARGV[3] op ('' for none)   ARGV[4] fingerprint
-- ARGV[5] seconds for which a proved phone is remembered (0: it is not)
-- Returns {settled, outcome, now, status, ended_at, attempts, sends, revision}, for who has the rest of the record
--   | {not_found}
local v, fails, pause, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now = now_ms()
if redis.call('EXISTS', v) == 0 then return {'not_found'} end

local function settled(outcome)
  local changed = redis.call('HMGET', v, 'ended_at', 'attempts', 'sends', 'revision')
  return {'settled', outcome, now, status_at(v, now), unpack(changed, 1, 4)}
end

local op = 'op:' .. ARGV[3]
local outcome = status_at(v, now)
if ARGV[3] ~= '' then
  local verdict = string.match(text(v, op), '^.-:(%l.*)$')
  if verdict then  -- a twin of this request was faster; WAIT speaks of this connection's writes, so it needs one
    redis.call('HSET', v, 'touched', now)
    return settled(verdict)
  end
end

if ARGV[2] == '1' and text(v, 'test') == '' then
  for _, counter in ipairs({unpack(KEYS, 7)}) do uncount_events(counter, 1) end  -- it was no guess
end
if outcome == 'pending' then
  -- The last to be settled, not the last to be counted, ends it: a right code may still be at the hash.
  local settled = redis.call('HINCRBY', v, 'settled', 1)
  if ARGV[2] == '1' then
    outcome = 'approved'
    redis.call('DEL', fails, pause)
    if ARGV[5] ~= '0' then redis.call('SET', KEYS[6], '1', 'EX', ARGV[5]) end
  elseif settled >= number(v, 'max_attempts') then
    outcome = 'exhausted'
  else
    outcome = 'wrong_code'
  end
  if outcome ~= 'wrong_code' then finish(v, due, out, ARGV[1], outcome, now) end
elseif outcome == 'approved' then
  outcome = 'already_approved'
elseif outcome == 'expired' and text(v, 'status') == 'pending' then
  finish(v, due, out, ARGV[1], 'expired', now)
end
if ARGV[3] ~= '' then redis.call('HSET', v, op, ARGV[4] .. ':' .. outcome) end
redis.call('HSET', v, 'touched', now)
return settled(outcome)

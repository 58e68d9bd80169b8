#!lua flags=allow-oom
-- Turn a judged attempt into its outcome. Exactly one call moves `pending` to `approved`; the others hear what was.
-- KEYS[1] verification   KEYS[2] fails of the phone   KEYS[3] pause of the phone   KEYS[4] due jobs   KEYS[5] outbox
-- KEYS[6] that the phone was proved   KEYS[7…] counters of wrong codes, as the attempt was counted in them
-- ARGV[1] id   ARGV[2] '1' if the code matched   ARGV[3] op ('' for none)   ARGV[4] fingerprint
-- ARGV[5] seconds for which a proved phone is remembered (0: it is not)
-- ARGV[6] number of the message that carries this code alone (0: not known)
-- Returns {word, outcome, now, status, ended_at, attempts, sends, revision}: settled | not_found (the word alone); for
--   who has the rest of the record
local v, fails, pause, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now = now_ms()
open(v)
if not is_there() then return {'not_found'} end

local function settled(outcome)
  save()
  return {'settled', outcome, now, status_at(v, now), record.ended_at or false, record.attempts or false,
    record.sends or false, record.revision or false}
end

local op = 'op:' .. ARGV[3]
local outcome = status_at(v, now)
if ARGV[3] ~= '' then
  local verdict = string.match(text(v, op), '^.-:(%l.*)$')
  if verdict then  -- a twin of this request was faster
    touch(now)
    return settled(verdict)
  end
end

if ARGV[2] == '1' and text(v, 'test') == '' then
  for _, counter in ipairs({unpack(KEYS, 7)}) do uncount_events(counter, 1) end  -- it was no guess
end
if outcome == 'pending' then
  -- The last to be settled, not the last to be counted, ends it: a right code may still be at the hash.
  local settled = add('settled', 1)
  if ARGV[2] == '1' then
    outcome = 'approved'
    if ARGV[6] ~= '0' then put('entered', ARGV[6]) end
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
if ARGV[3] ~= '' then put(op, ARGV[4] .. ':' .. outcome) end
touch(now)
return settled(outcome)

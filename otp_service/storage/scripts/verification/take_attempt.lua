#!lua flags=allow-oom
-- Count one attempt before anybody looks at the code; counting after would let parallel guesses through.
-- KEYS[1] verification   KEYS[2] fails of the phone   KEYS[3] due jobs   KEYS[4] outbox
-- KEYS[5…] the application's counters of wrong codes for this phone
-- ARGV[1] application   ARGV[2] purpose ('' for any)   ARGV[3] op: keyed hash of the Idempotency-Key ('' for none)
-- ARGV[4] fingerprint of the body   ARGV[5] ms after which an unsettled op counts as dead
-- ARGV[6] failures from which a phone waits   ARGV[7] first wait ms   ARGV[8] longest wait ms
-- ARGV[9] failures that disable   ARGV[10] id   ARGV[11] how many digits the code has
-- ARGV[12…] quota, window ms of each counter
-- Returns {word, extra, now, record}: judge | not_found | closed (extra: status) | replay (extra: outcome)
--   | running (extra: ms) | mismatch | wrong_length (extra: digits of its codes) | waiting (extra: ms) | disabled
--   | limited (extra: number of the counter, ms)
local v, fails, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local application, purpose, key, body, dead_ms, waiting_from = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local first_wait, longest_wait, disabling, id, given = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local now = now_ms()
if not belongs(v, application) then return {'not_found', '', tostring(now), {}} end
open(v)
if purpose ~= '' and text(v, 'purpose') ~= purpose then return {'not_found', '', tostring(now), {}} end

local op = 'op:' .. key
local known = key ~= '' and record[op]
if known then
  local fingerprint, state = string.match(known, '^(.-):(.*)$')
  if fingerprint ~= body then return close('mismatch', now) end
  touch(now)
  local since = tonumber(state)
  if not since then return close('replay', now, state) end
  if now - since < tonumber(dead_ms) then return close('running', now, tonumber(dead_ms) - (now - since)) end
end

local status = status_at(v, now)
if status == 'expired' and text(v, 'status') == 'pending' then finish(v, due, out, id, 'expired', now) end
if status ~= 'pending' then return close('closed', now, status) end
if known then
  put(op, body .. ':' .. now)
  return close('judge', now)  -- the first one was counted and died before its verdict
end

-- Not one of its codes, whatever the digits are: a person who missed or doubled one has guessed nothing.
local digits = number(v, 'code_length')
if digits ~= 0 and given ~= '0' and digits ~= tonumber(given) then return close('wrong_length', now, digits) end

local guessed = redis.call('HMGET', fails, 'count', 'wait_until')
local count = tonumber(guessed[1] or '0')
if count >= tonumber(disabling) then return close('disabled', now) end
-- The first attempt of a verification does not wait, or a stranger's wrong codes would keep the phone's holder out. How
-- many verifications there are is bounded by what bounds sends.
local wait = tonumber(guessed[2] or '0') - now
if wait > 0 and number(v, 'attempts') > 0 then return close('waiting', now, wait) end
if number(v, 'attempts') >= number(v, 'max_attempts') then
  -- Others are still being judged, or died before their verdict; then nobody else would write the end.
  if now - number(v, 'attempted_at') > tonumber(dead_ms) then finish(v, due, out, id, 'exhausted', now) end
  return close('closed', now, 'exhausted')
end

if text(v, 'test') == '' then
  local counters, bounds, full, longest = {unpack(KEYS, 5)}, {unpack(ARGV, 12)}, 0, 0
  for n, counter in ipairs(counters) do
    local wait = until_fits(counter, tonumber(bounds[2 * n - 1]), tonumber(bounds[2 * n]), now)
    if wait > longest then full, longest = n, wait end
  end
  if full > 0 then return close('limited', now, full .. ',' .. longest) end
  for n, counter in ipairs(counters) do count_event(counter, tonumber(bounds[2 * n]), now) end
end

local attempts = add('attempts', 1)
put('attempted_at', now, 'a' .. attempts, now)
changed()
local noted = {'count', count + 1}
if count + 1 >= tonumber(waiting_from) then
  local longest = tonumber(longest_wait)
  local pause = math.min(longest, tonumber(first_wait) * 2 ^ math.min(count + 1 - tonumber(waiting_from), 20))
  noted = {'count', count + 1, 'wait_until', string.format('%d', now + pause)}
end
redis.call('HSET', fails, unpack(noted))
-- A year without a wrong code ends the row; a disabled phone stays so until it is unlocked (NIST SP 800-63B-4 §3.2.2).
if count + 1 < tonumber(disabling) then redis.call('PEXPIRE', fails, 365 * 86400000) else redis.call('PERSIST', fails) end
if key ~= '' then put(op, body .. ':' .. now) end
return close('judge', now)

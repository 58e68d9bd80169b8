#!lua
-- Count one attempt before anybody looks at the code; counting after would let parallel guesses through.
-- KEYS[1] verification   KEYS[2] fails of the phone   KEYS[3] due jobs   KEYS[4] outbox
-- KEYS[5…] the application's counters of wrong codes for this phone
-- ARGV[1] application   ARGV[2] purpose ('' for any)   ARGV[3] op: keyed hash of the Idempotency-Key ('' for none)
-- ARGV[4] fingerprint of the body   ARGV[5] ms after which an unsettled op counts as dead
-- ARGV[6] failures from which a phone waits   ARGV[7] first wait ms   ARGV[8] longest wait ms
-- ARGV[9] failures that disable   ARGV[10] id   ARGV[11…] quota, window ms of each counter
-- Returns {word, extra, now, record}: judge | not_found | closed (extra: status) | replay (extra: outcome)
--   | running (extra: ms) | mismatch | waiting (extra: ms) | disabled | limited (extra: number of the counter, ms)
local v, fails, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = now_ms()
if not belongs(v, ARGV[1]) or (ARGV[2] ~= '' and text(v, 'purpose') ~= ARGV[2]) then
  return {'not_found', '', tostring(now), {}}
end

local op = 'op:' .. ARGV[3]
local known = ARGV[3] ~= '' and redis.call('HGET', v, op)
if known then
  local fingerprint, state = string.match(known, '^(.-):(.*)$')
  if fingerprint ~= ARGV[4] then return answer('mismatch', v, now) end
  redis.call('HSET', v, 'touched', now)
  local since = tonumber(state)
  if not since then return answer('replay', v, now, state) end
  if now - since < tonumber(ARGV[5]) then return answer('running', v, now, tonumber(ARGV[5]) - (now - since)) end
end

local status = status_at(v, now)
if status == 'expired' and text(v, 'status') == 'pending' then finish(v, due, out, ARGV[10], 'expired', now) end
if status ~= 'pending' then return answer('closed', v, now, status) end
if known then
  redis.call('HSET', v, op, ARGV[4] .. ':' .. now)
  return answer('judge', v, now)  -- the first one was counted and died before its verdict
end

local count = number(fails, 'count')
if count >= tonumber(ARGV[9]) then return answer('disabled', v, now) end
local wait = number(fails, 'wait_until') - now
if wait > 0 then return answer('waiting', v, now, wait) end
if number(v, 'attempts') >= number(v, 'max_attempts') then
  -- Others are still being judged, or died before their verdict; then nobody else would write the end.
  if now - number(v, 'attempted_at') > tonumber(ARGV[5]) then finish(v, due, out, ARGV[10], 'exhausted', now) end
  return answer('closed', v, now, 'exhausted')
end

if text(v, 'test') == '' then
  local counters, bounds, full, longest = {unpack(KEYS, 5)}, {unpack(ARGV, 11)}, 0, 0
  for n, counter in ipairs(counters) do
    local wait = until_fits(counter, tonumber(bounds[2 * n - 1]), tonumber(bounds[2 * n]), now)
    if wait > longest then full, longest = n, wait end
  end
  if full > 0 then return answer('limited', v, now, full .. ',' .. longest) end
  for n, counter in ipairs(counters) do count_event(counter, tonumber(bounds[2 * n]), now) end
end

local attempts = redis.call('HINCRBY', v, 'attempts', 1)
redis.call('HSET', v, 'attempted_at', now, 'a' .. attempts, now)
changed(v)
redis.call('HSET', fails, 'count', count + 1)
if count + 1 >= tonumber(ARGV[6]) then
  local longest = tonumber(ARGV[8])
  local pause = math.min(longest, tonumber(ARGV[7]) * 2 ^ math.min(count + 1 - tonumber(ARGV[6]), 20))
  redis.call('HSET', fails, 'wait_until', string.format('%d', now + pause))
end
if ARGV[3] ~= '' then redis.call('HSET', v, op, ARGV[4] .. ':' .. now) end
return answer('judge', v, now)

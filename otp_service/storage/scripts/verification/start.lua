#!lua
-- Make a verification and count its first send, unless the phone is disabled or was sent to just now.
-- KEYS[1] verification   KEYS[2] pause of the phone   KEYS[3] fails of the phone   KEYS[4] due jobs   KEYS[5] outbox
-- KEYS[6] verifications of the phone   KEYS[7] channels that did not reach the phone
-- ARGV[1] id   ARGV[2] ttl ms   ARGV[3] retention ms   ARGV[4] lease ms   ARGV[5] pauses in ms, comma-separated ('' for what
-- neither waits for the pause nor moves it)
-- ARGV[6] failures that disable   ARGV[7] how many of the phone's verifications are kept in mind
-- ARGV[8] gateway of message 1 ('' if it is opened later)   ARGV[9] its channel   ARGV[10] its client id
-- ARGV[11] the phone's newest verification, as the caller knows it; '-' for none, '' for whatever it is
-- ARGV[12] longest life of a verification ms   ARGV[13…] field, value, … of the record
-- Returns {word, extra, now, record}: created | exists | too_soon (extra: ms to wait) | disabled | raced (another began)
local v, pause, fails, due, out, phone = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local id, pauses, disabling, remembered, gateway, channel = ARGV[1], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local client_id, newest, longest_life = ARGV[10], ARGV[11], ARGV[12]
local now = now_ms()
local ttl, retention, lease = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

open(v)
if is_there() then return close('exists', now) end
if number(fails, 'count') >= tonumber(disabling) then return close('disabled', now) end
if newest ~= '' and (redis.call('ZREVRANGE', phone, 0, 0)[1] or '-') ~= newest then return close('raced', now) end
local ladder = redis.call('HMGET', pause, 'until', 'rung')
local wait = tonumber(ladder[1] or '0') - now
if wait > 0 and pauses ~= '' then return close('too_soon', now, wait) end

put(unpack(ARGV, 13))  -- with the application first, see `belongs`
put('status', 'pending', 'created_at', now, 'expires_at', now + ttl, 'retention', retention,
  'attempts', 0, 'sends', 1, 'messages', 0)
local known = redis.call('HGETALL', KEYS[7])
if #known > 0 then
  local over = {}
  for i = 1, #known, 2 do
    local channel = string.match(known[i], '^(%l+):until$')
    if channel and now < (tonumber(known[i + 1]) or 0) then over[#over + 1] = channel end
  end
  put('once_unreached', '1')
  if #over > 0 then put('unreached', table.concat(over, ',')) end
end
claim_walk(lease, now)
redis.call('ZADD', phone, now, id)
-- However many are begun, those that may still be pending stay known: the code of each has to find it.
local kept = tonumber(remembered)
if redis.call('ZCARD', phone) > kept then
  kept = math.max(kept, redis.call('ZCOUNT', phone, now - tonumber(longest_life), '+inf'))
  redis.call('ZREMRANGEBYRANK', phone, 0, -1 - kept)
end
-- As long as any of them.
local life = math.max(1200000, ttl) + retention
if redis.call('PTTL', phone) < life then redis.call('PEXPIRE', phone, life) end
if pauses ~= '' then
  climb(pause, tonumber(ladder[2] or '0'), pauses, now)
elseif text(v, 'kind') == '' then
  put('resend_at', math.max(now, tonumber(ladder[1] or '0')))
end
if gateway ~= '' then open_message(1, gateway, channel, 'gateway', client_id, now) end
emit_of(v, due, out, id, event_of(v, 'created'), now)
plan(due, id)
local made = close('created', now)
redis.call('PEXPIRE', v, ttl + retention)
return made

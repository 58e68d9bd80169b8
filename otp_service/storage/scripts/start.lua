#!lua
-- Make a verification and count its first send, unless the phone is disabled or was sent to just now.
-- KEYS[1] verification   KEYS[2] pause of the phone   KEYS[3] fails of the phone   KEYS[4] due jobs   KEYS[5] outbox
-- KEYS[6] verifications of the phone
-- ARGV[1] id   ARGV[2] ttl ms   ARGV[3] retention ms   ARGV[4] lease ms   ARGV[5] pauses in ms, comma-separated
-- ARGV[6] failures that disable   ARGV[7] how many of the phone's verifications are kept in mind
-- ARGV[8] gateway of message 1 ('' if it is opened later)   ARGV[9] its channel   ARGV[10] its client id
-- ARGV[11…] field, value, … of the record
-- Returns {word, extra, now, record}: created | exists | too_soon (extra: ms to wait) | disabled
local v, pause, fails, due, out, phone = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now = now_ms()
local ttl, retention, lease = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

if redis.call('EXISTS', v) > 0 then return answer('exists', v, now) end
if number(fails, 'count') >= tonumber(ARGV[6]) then return answer('disabled', v, now) end
local wait = number(pause, 'until') - now
if wait > 0 then return answer('too_soon', v, now, wait) end

redis.call('HSET', v, unpack(ARGV, 11))  -- with the application first, see `belongs`
redis.call('HSET', v, 'status', 'pending', 'created_at', now, 'expires_at', now + ttl, 'retention', retention,
  'attempts', 0, 'sends', 1, 'messages', 0, 'lease', now + lease)
redis.call('PEXPIRE', v, ttl + retention)
redis.call('ZADD', phone, now, ARGV[1])
redis.call('ZREMRANGEBYRANK', phone, 0, -1 - tonumber(ARGV[7]))
redis.call('PEXPIRE', phone, 1200000 + retention)  -- longer than any of them
climb(v, pause, ARGV[5], now)
if ARGV[8] ~= '' then open_message(v, 1, ARGV[8], ARGV[9], 'gateway', ARGV[10], now) end
emit_of(v, due, out, ARGV[1], 'verification.created', now)
plan(v, due, ARGV[1])
return answer('created', v, now)

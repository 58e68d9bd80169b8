#!lua
-- The first request with an Idempotency-Key names the verification; later ones are told which it was.
-- KEYS[1] idempotency record
-- ARGV[1] fingerprint of the body   ARGV[2] verification id to be used by the first   ARGV[3] lease ms   ARGV[4] life ms
-- Returns {word, verification id, ms of the lease left}: new | known | mismatch
local record = KEYS[1]
local now = now_ms()
if redis.call('EXISTS', record) == 0 then
  redis.call('HSET', record, 'fingerprint', ARGV[1], 'verification', ARGV[2], 'lease', now + tonumber(ARGV[3]))
  redis.call('PEXPIRE', record, tonumber(ARGV[4]))
  return {'new', ARGV[2], '0'}
end
if text(record, 'fingerprint') ~= ARGV[1] then return {'mismatch', '', '0'} end
return {'known', text(record, 'verification'), tostring(math.max(0, number(record, 'lease') - now))}

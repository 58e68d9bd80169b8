#!lua
-- Give a subject new backup codes; those before are good no more, and their ledger is forgotten.
-- KEYS[1] subject   KEYS[2] op: record of the Idempotency-Key   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] application   ARGV[2] sealed   ARGV[3] cost of their hashes   ARGV[4] the codes, sealed for a repeat
-- ARGV[5] fingerprint of the body ('' without a key)   ARGV[6] life of op ms   ARGV[7] the caller's id of the person, sealed
-- ARGV[8…] selector, hash, …
-- Returns {word, extra, now, record}: issued | replay (extra: the codes, sealed) | mismatch
local subject, op, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = now_ms()
local word = repeated(op, ARGV[5], now, '0')
if word == 'mismatch' then return answer(word, subject, now) end
if word == 'replay' then return answer(word, subject, now, text(op, 'sealed')) end

for _, field in ipairs(redis.call('HKEYS', subject)) do
  if string.sub(field, 1, 2) == 'b:' then redis.call('HDEL', subject, field) end
end
local codes = {unpack(ARGV, 8)}
for at = 1, #codes, 2 do redis.call('HSET', subject, 'b:' .. codes[at], 'l' .. codes[at + 1]) end
redis.call('HSET', subject, 'application', ARGV[1], 'who', ARGV[7], 'bs', ARGV[2])
keep(subject, 'b', {issued_at = now, used_at = 0, left = #codes / 2, cost = ARGV[3], fails = 0, wait_until = 0})
settle_life(subject, now)
tell(subject, out, due, now, 'factor.enrolled', 'backup_code', '', 'left', #codes / 2)
conclude(op, ARGV[5], 'issued', now, ARGV[6])
if ARGV[5] ~= '' then redis.call('HSET', op, 'sealed', ARGV[4]) end
return answer('issued', subject, now)

#!lua
-- Claim one more send of a pending verification.
-- KEYS[1] verification   KEYS[2] pause of the phone   KEYS[3] fails of the phone   KEYS[4] due jobs
-- ARGV[1] id   ARGV[2] application   ARGV[3] op: keyed hash of the Idempotency-Key ('' for none)   ARGV[4] fingerprint
-- ARGV[5] ttl ms   ARGV[6] cap of the whole life ms   ARGV[7] least life ms   ARGV[8] lease ms   ARGV[9] pauses in ms
-- ARGV[10] failures that disable
-- Returns {word, extra, now, record}: claimed | taken_over (the first one died) | replay | running (extra: ms)
--   | mismatch | not_found | final | disabled | no_sends_left (extra: ms to expiry) | too_soon (extra: ms)
local v, pause, fails, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, application, key, body, ttl, longest_life = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local least_life, lease_ms, pauses, disabling = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local now = now_ms()
if not belongs(v, application) then return {'not_found', '', tostring(now), {}} end
open(v)

local op = 'op:' .. key
local lease = number(v, 'lease')
if key ~= '' and text(v, op) ~= '' then
  if text(v, op) ~= body then return close('mismatch', now) end
  touch(now)
  if text(v, 'lease_op') ~= key then return close('replay', now) end
  if lease > now then return close('running', now, lease - now) end
  if status_at(v, now) ~= 'pending' then return close('replay', now) end
  claim_walk(tonumber(lease_ms), now)
  plan(due, id)
  return close('taken_over', now)
end

if status_at(v, now) ~= 'pending' then return close('final', now) end
if number(fails, 'count') >= tonumber(disabling) then return close('disabled', now) end
local expires_at = math.min(now + tonumber(ttl), number(v, 'created_at') + tonumber(longest_life))
if number(v, 'sends') >= number(v, 'max_sends') or expires_at - now < tonumber(least_life) then
  return close('no_sends_left', now, number(v, 'expires_at') - now)
end
local ladder = redis.call('HMGET', pause, 'until', 'rung')
local wait = tonumber(ladder[1] or '0') - now
if wait > 0 then return close('too_soon', now, wait) end
if lease > now then return close('running', now, lease - now) end

if key ~= '' then put(op, body) end
climb(pause, tonumber(ladder[2] or '0'), pauses, now)
claim_send(v, due, id, key, expires_at, tonumber(lease_ms), now)
return close('claimed', now)

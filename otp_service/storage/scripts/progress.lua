#!lua
-- Write what became of one message and, if the walk goes on, open the next; or end the walk.
-- A message's status only moves forward: a report may have come before the gateway's answer.
-- KEYS[1] verification   KEYS[2] pause of the phone   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] id
-- ARGV[2] number of the message that is settled ('' for none)   ARGV[3] its status   ARGV[4] statuses it may come from
-- ARGV[5] provider id   ARGV[6] parts   ARGV[7] reason   ARGV[8] hash of the code that the gateway made ('' for none)
-- ARGV[9] ms until the gateway is asked what became of it ('' for never)
-- ARGV[10] number of the message that is opened ('' for none)   ARGV[11] gateway   ARGV[12] channel
-- ARGV[13] client id   ARGV[14] who makes its code: gateway | local
-- ARGV[15] hash of the local code that it carries ('' for none)
-- ARGV[16] 'go on' | 'done' | 'fail' (nobody took it: the send is given back; a verification without any other
--          send ends as failed)   ARGV[17] ms from the end of a walk until the next gateway has its turn ('' for never)
-- Returns {word, extra, now, record}: ok | not_found | closed (no longer pending: nothing was opened)
local v, pause, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id = ARGV[1]
local now = now_ms()
if redis.call('EXISTS', v) == 0 then return answer('not_found', v, now) end
local pending = status_at(v, now) == 'pending'

if ARGV[2] ~= '' then
  local m = 'm' .. ARGV[2] .. ':'
  if ARGV[5] ~= '' then redis.call('HSET', v, m .. 'provider_id', ARGV[5]) end
  if ARGV[6] ~= '0' then redis.call('HSET', v, m .. 'parts', ARGV[6]) end
  if ARGV[7] ~= '' then redis.call('HSET', v, m .. 'reason', ARGV[7]) end
  if ARGV[3] == 'accepted' or ARGV[3] == 'delivered' then
    redis.call('HSET', v, m .. 'sent_at', now)
    redis.call('HDEL', v, m .. 'reason')  -- of the time when it was unclear
  end
  move_message(v, due, out, id, ARGV[2], ARGV[3], ARGV[4], now)
  if ARGV[8] ~= '' and pending then
    -- Its SMS may still be on the way, so the code of the one before stays good: three live hashes at most.
    if text(v, 'hash:gateway') ~= '' then redis.call('HSET', v, 'hash:earlier', text(v, 'hash:gateway')) end
    redis.call('HSET', v, 'hash:gateway', ARGV[8])
  end
  if ARGV[9] ~= '' then
    local planned = number(v, 'look_at')
    -- Never the very moment that was planned: who is at that look may not know of this message, and would end with none.
    local look_at = now + tonumber(ARGV[9])
    if planned > 0 then look_at = math.min(look_at, planned - 1) end
    redis.call('HSET', v, 'look_at', look_at)
  end
end

if not pending then
  redis.call('HDEL', v, 'lease', 'lease_op')
  plan(v, due, id)
  return answer('closed', v, now)
end
if ARGV[10] ~= '' then
  open_message(v, ARGV[10], ARGV[11], ARGV[12], ARGV[14], ARGV[13], now)
  if ARGV[15] ~= '' then redis.call('HSET', v, 'hash:local', ARGV[15]) end
  changed(v)
end
if ARGV[16] == 'fail' then
  local op = text(v, 'lease_op')
  if op ~= '' then redis.call('HDEL', v, 'op:' .. op) end  -- refused, so its Idempotency-Key may be used again
  give_back(v, pause, now)
end
if ARGV[16] ~= 'go on' then
  redis.call('HDEL', v, 'lease', 'lease_op')
  if number(v, 'sends') == 0 then
    finish(v, due, out, id, 'failed', now)
    return answer('ok', v, now)
  end
end
if ARGV[17] ~= '' and text(v, 'lease') == '' then redis.call('HSET', v, 'failover_at', now + tonumber(ARGV[17])) end
plan(v, due, id)
return answer('ok', v, now)

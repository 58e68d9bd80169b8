#!lua
-- Write what became of one message and, if the walk goes on, open the next; or end the walk.
-- A message's status only moves forward: a report may have come before the gateway's answer.
-- KEYS[1] verification   KEYS[2] pause of the phone   KEYS[3] due jobs
-- ARGV[1] id
-- ARGV[2] number of the message that is settled ('' for none)   ARGV[3] its status   ARGV[4] statuses it may come from
-- ARGV[5] provider id   ARGV[6] parts   ARGV[7] reason   ARGV[8] hash of the code that the gateway made ('' for none)
-- ARGV[9] number of the message that is opened ('' for none)   ARGV[10] gateway   ARGV[11] channel   ARGV[12] client id
-- ARGV[13] who makes its code: gateway | local   ARGV[14] hash of the local code that it carries ('' for none)
-- ARGV[15] 'go on' | 'done' | 'fail' (nobody took it: the send is given back; a verification without any other
--          send ends as failed)
-- Returns {word, extra, now, record}: ok | not_found | closed (no longer pending: nothing was opened)
local v, pause, due = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
if redis.call('EXISTS', v) == 0 then return answer('not_found', v, now) end
local pending = status_at(v, now) == 'pending'

if ARGV[2] ~= '' then
  local m = 'm' .. ARGV[2] .. ':'
  if string.find(',' .. ARGV[4] .. ',', ',' .. text(v, m .. 'status') .. ',', 1, true) then
    redis.call('HSET', v, m .. 'status', ARGV[3], m .. 'updated_at', now)
  end
  if ARGV[5] ~= '' then redis.call('HSET', v, m .. 'provider_id', ARGV[5]) end
  if ARGV[6] ~= '0' then redis.call('HSET', v, m .. 'parts', ARGV[6]) end
  if ARGV[7] ~= '' then redis.call('HSET', v, m .. 'reason', ARGV[7]) end
  if ARGV[3] == 'accepted' or ARGV[3] == 'delivered' then redis.call('HSET', v, m .. 'sent_at', now) end
  if ARGV[8] ~= '' and pending then
    -- Its SMS may still be on the way, so the code of the one before stays good: three live hashes at most.
    if text(v, 'hash:gateway') ~= '' then redis.call('HSET', v, 'hash:earlier', text(v, 'hash:gateway')) end
    redis.call('HSET', v, 'hash:gateway', ARGV[8])
  end
  redis.call('HSET', v, 'updated_at', now)
end

local op = text(v, 'lease_op')
if ARGV[15] ~= 'go on' or not pending then let_go(v, due, ARGV[1]) end
if not pending then return answer('closed', v, now) end
if ARGV[9] ~= '' then
  open_message(v, ARGV[9], ARGV[10], ARGV[11], ARGV[13], ARGV[12], now)
  if ARGV[14] ~= '' then redis.call('HSET', v, 'hash:local', ARGV[14]) end
end
if ARGV[15] == 'fail' then
  if op ~= '' then redis.call('HDEL', v, 'op:' .. op) end  -- refused, so its Idempotency-Key may be used again
  give_back(v, pause, now)
  if number(v, 'sends') == 0 then finish(v, 'failed', now) end
end
return answer('ok', v, now)

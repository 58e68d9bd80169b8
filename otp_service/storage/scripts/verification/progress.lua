#!lua flags=allow-oom
-- Write what became of one message and, if the walk goes on, open the next; or end the walk. It may be asked for twice:
-- a message's status only moves forward (a report may have come before the gateway's answer), and what was opened or
-- ended is not opened or ended again.
-- KEYS[1] verification   KEYS[2] pause of the phone   KEYS[3] due jobs   KEYS[4] outbox
-- ARGV[1] id
-- ARGV[2] number of the walk, '' for who walks nowhere and only tells of a message
-- ARGV[3] end of its lease, 0 where its claim was not answered
-- ARGV[4] number of the message that is settled ('' for none)   ARGV[5] its status   ARGV[6] statuses it may come from
-- ARGV[7] provider id   ARGV[8] parts   ARGV[9] reason   ARGV[10] hash of the code that the gateway made ('' for none)
-- ARGV[11] ms until the gateway is asked what became of it ('' for never)
-- ARGV[12] number of the message that is opened ('' for none)   ARGV[13] gateway   ARGV[14] channel
-- ARGV[15] client id   ARGV[16] who makes its code: gateway | local
-- ARGV[17] hash of the local code that it carries ('' for none)
-- ARGV[18] 'go on' | 'done' | 'wait' (nobody took it, and the person sends the code: the pause is given back)
--          | 'fail' (nobody took it: the send is given back) | 'spent' (something may have left whose code nobody knows:
--          the send and its pause stay); a verification without any other send ends as failed
--          | 'leave' (its process stops here: who asks again may go on at once)
-- ARGV[19] ms from the end of a walk until the next gateway has its turn ('' for never)
-- ARGV[20] what the gateway said, in its own words ('' for nothing that no document lists)
-- ARGV[21] price of a part, as the gateway wrote it ('' for untold)
-- Returns {word, extra, now, record}: ok | not_found | closed (no longer pending: nothing was opened)
--   | lost (the walk is another's: nothing was opened or ended; of the message is written that it was taken, not that
--     it was refused, since the other may have asked the same gateway again)
local v, pause, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, walk, lease = ARGV[1], ARGV[2], ARGV[3]
local n, status, predecessors, provider_id, parts = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local reason, gateway_hash, look_ms, words, price = ARGV[9], ARGV[10], ARGV[11], ARGV[20], ARGV[21]
local opened, gateway, channel, client_id, source, local_hash = ARGV[12], ARGV[13], ARGV[14], ARGV[15], ARGV[16], ARGV[17]
local step, failover_ms = ARGV[18], ARGV[19]
local now = now_ms()
open(v)
if not is_there() then return close('not_found', now) end
local pending = status_at(v, now) == 'pending'
-- An older version takes over without another number; then the lease tells.
local until_when = number(v, 'lease')
local under_way = until_when > 0 and (lease == '0' or until_when == tonumber(lease))
local lost = walk ~= '' and (number(v, 'walk') ~= tonumber(walk) or until_when > 0 and not under_way)

if n ~= '' and tonumber(n) <= number(v, 'messages') and not (lost and (status == 'rejected' or status == 'canceled')) then
  local m = 'm' .. n .. ':'
  if provider_id ~= '' then put(m .. 'provider_id', provider_id) end
  if parts ~= '0' then put(m .. 'parts', parts) end
  if price ~= '' then put(m .. 'price', price) end
  if words ~= '' then put(m .. 'words', words) end
  if (status == 'accepted' or status == 'delivered') and not record[m .. 'sent_at'] then put(m .. 'sent_at', now) end
  if may_move(v, n, predecessors) then
    -- What it was unclear for is over once it is clear.
    if reason ~= '' then put(m .. 'reason', reason) else drop(m .. 'reason') end
    move_message(v, due, out, id, n, status, now)
  end
  local earlier = text(v, 'hash:gateway')
  if gateway_hash ~= '' and pending and gateway_hash ~= earlier and gateway_hash ~= text(v, 'hash:earlier') then
    -- Its SMS may still be on the way, so the code of the one before stays good: three live hashes at most.
    if earlier ~= '' then put('hash:earlier', earlier) end
    put('hash:gateway', gateway_hash)
  end
  if look_ms ~= '' then
    local planned = number(v, 'look_at')
    -- Never the very moment that was planned: who is at that look may not know of this message, and would end with none.
    local look_at = now + tonumber(look_ms)
    if planned > 0 then look_at = math.min(look_at, planned - 1) end
    put('look_at', look_at)
  end
end

if not pending then
  drop('lease', 'lease_op')
  plan(due, id)
  return close('closed', now)
end
if walk ~= '' and not (under_way and not lost) then
  plan(due, id)
  touch(now)
  -- A walk that is over is ended again, and that is all: its first answer was lost.
  return close((lost or opened ~= '') and 'lost' or 'ok', now)
end
if opened ~= '' and tonumber(opened) > number(v, 'messages') then
  open_message(opened, gateway, channel, source, client_id, now)
  -- A second one is of a message that carries a code of its own; the first stays good.
  if local_hash ~= '' then put(text(v, 'hash:local') == '' and 'hash:local' or 'hash:' .. opened, local_hash) end
  if text(v, 'lease_op') == 'failover' then put('m' .. opened .. ':failover', '1') end
  changed()
end
if step == 'leave' then put('lease', now) end
if step == 'wait' then step_down(pause, now) end
if step == 'fail' or step == 'spent' then
  local op = text(v, 'lease_op')
  if op ~= '' then drop('op:' .. op) end  -- refused, so its Idempotency-Key may be used again
  if step == 'fail' then give_back(v, pause, now) end
end
if step == 'done' or step == 'wait' or step == 'fail' or step == 'spent' then
  drop('lease', 'lease_op')
  if number(v, 'sends') == (step == 'spent' and 1 or 0) then
    finish(v, due, out, id, 'failed', now)
    return close('ok', now)
  end
end
if failover_ms ~= '' and text(v, 'lease') == '' then put('failover_at', now + tonumber(failover_ms)) end
plan(due, id)
return close('ok', now)

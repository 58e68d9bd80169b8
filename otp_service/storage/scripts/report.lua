#!lua
-- Write what gateways said of a verification's messages when they were asked, and when they are to be asked again. Also
-- the place where the end of a life that ran out is written down.
-- KEYS[1] verification   KEYS[2] due jobs   KEYS[3] outbox
-- ARGV[1] id   ARGV[2] the look that this one was   ARGV[3] ms until the next ('' for none)
-- ARGV[4] when the next gateway was to have its turn   ARGV[5] 'off': it shall not; ms until it shall; '' for as it was
-- ARGV[6…] of each message: number, status, statuses it may come from, parts, price of a part, since when in ms of
--          Redis time ('' for now), reason
-- Returns {word, extra, now, record}: ok | not_found
local v, due, out = KEYS[1], KEYS[2], KEYS[3]
local id = ARGV[1]
local now = now_ms()
if redis.call('EXISTS', v) == 0 then
  plan(v, due, id)
  return answer('not_found', v, now)
end
local reports = {unpack(ARGV, 6)}
for i = 1, #reports, 7 do
  local n, status, predecessors, parts, price, since, reason = unpack(reports, i, i + 6)
  local m = 'm' .. n .. ':'
  local told = {}
  if parts ~= '0' then told = {m .. 'parts', parts} end
  if price ~= '' then told[#told + 1] = m .. 'price'; told[#told + 1] = price end
  if #told > 0 then redis.call('HSET', v, unpack(told)) end
  if string.find(',' .. predecessors .. ',', ',' .. text(v, m .. 'status') .. ',', 1, true) then
    if status == 'accepted' or text(v, m .. 'sent_at') == '' then redis.call('HSET', v, m .. 'sent_at', now) end
    if status ~= 'accepted' then redis.call('HSET', v, m .. 'ended_at', since ~= '' and since or now) end
    if reason ~= '' then redis.call('HSET', v, m .. 'reason', reason) else redis.call('HDEL', v, m .. 'reason') end
    move_message(v, due, out, id, n, status, predecessors, now)
  end
  if status ~= 'accepted' then redis.call('HDEL', v, m .. 'pushed') end
end
if text(v, 'look_at') == ARGV[2] then  -- else somebody asked for an earlier one meanwhile
  if ARGV[3] == '' then redis.call('HDEL', v, 'look_at') else redis.call('HSET', v, 'look_at', now + tonumber(ARGV[3])) end
end
if ARGV[5] ~= '' and text(v, 'failover_at') == ARGV[4] then  -- else something was sent meanwhile, or need not be
  if ARGV[5] == 'off' then redis.call('HDEL', v, 'failover_at') end
  if ARGV[5] ~= 'off' then redis.call('HSET', v, 'failover_at', now + tonumber(ARGV[5])) end
end
if text(v, 'status') == 'pending' and status_at(v, now) == 'expired' then
  finish(v, due, out, id, 'expired', now)
else
  plan(v, due, id)
end
return answer('ok', v, now)

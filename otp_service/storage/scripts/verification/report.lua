#!lua flags=allow-oom
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
open(v)
if not is_there() then
  plan(due, id)
  return close('not_found', now)
end
local reports = {unpack(ARGV, 6)}
for i = 1, #reports, 7 do
  local n, status, predecessors, parts, price, since, reason = unpack(reports, i, i + 6)
  local m = 'm' .. n .. ':'
  local told = {}
  if parts ~= '0' then told = {m .. 'parts', parts} end
  if price ~= '' then told[#told + 1] = m .. 'price'; told[#told + 1] = price end
  if #told > 0 then put(unpack(told)) end
  if may_move(v, n, predecessors) then
    if status == 'accepted' or text(v, m .. 'sent_at') == '' then put(m .. 'sent_at', now) end
    if status ~= 'accepted' then put(m .. 'ended_at', since ~= '' and since or now) end
    if reason ~= '' then put(m .. 'reason', reason) else drop(m .. 'reason') end
    move_message(v, due, out, id, n, status, now)
  end
  if status ~= 'accepted' then drop(m .. 'pushed') end
end
if text(v, 'look_at') == ARGV[2] then  -- else somebody asked for an earlier one meanwhile
  if ARGV[3] == '' then drop('look_at') else put('look_at', now + tonumber(ARGV[3])) end
end
if ARGV[5] ~= '' and text(v, 'failover_at') == ARGV[4] then  -- else something was sent meanwhile, or need not be
  if ARGV[5] == 'off' then drop('failover_at') end
  if ARGV[5] ~= 'off' then put('failover_at', now + tonumber(ARGV[5])) end
end
if text(v, 'status') == 'pending' and status_at(v, now) == 'expired' then
  finish(v, due, out, id, 'expired', now)
else
  plan(due, id)
end
return close('ok', now)

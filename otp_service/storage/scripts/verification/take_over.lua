#!lua flags=allow-oom
-- A walk may have died in the middle: is it done, running, or to be gone on with?
-- KEYS[1] verification   KEYS[2] due jobs
-- ARGV[1] id   ARGV[2] lease ms   ARGV[3] 'start' (a start asked for again leaves a resend's walk alone) | 'any'
-- Returns {word, extra, now, record}: done | running (extra: ms of the lease left) | taken_over | absent
local v, due = KEYS[1], KEYS[2]
local now = now_ms()
open(v)
if not is_there() then return close('absent', now) end
touch(now)
local lease = number(v, 'lease')
local of_resend = record.lease_op ~= nil
if lease == 0 or status_at(v, now) ~= 'pending' or (of_resend and ARGV[3] == 'start') then
  return close('done', now)
end
if lease > now then return close('running', now, lease - now) end
claim_walk(tonumber(ARGV[2]), now)
plan(due, ARGV[1])
return close('taken_over', now)

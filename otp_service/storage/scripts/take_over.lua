#!lua
-- A walk may have died in the middle: is it done, running, or to be gone on with?
-- KEYS[1] verification   KEYS[2] due jobs
-- ARGV[1] id   ARGV[2] lease ms   ARGV[3] 'start' (a start asked for again leaves a resend's walk alone) | 'any'
-- Returns {word, extra, now, record}: done | running (extra: ms of the lease left) | taken_over | absent
local v, due = KEYS[1], KEYS[2]
local now = now_ms()
if redis.call('EXISTS', v) == 0 then return answer('absent', v, now) end
redis.call('HSET', v, 'touched', now)  -- WAIT proves nothing on a connection that wrote nothing
local lease = number(v, 'lease')
local of_resend = redis.call('HEXISTS', v, 'lease_op') > 0
if lease == 0 or status_at(v, now) ~= 'pending' or (of_resend and ARGV[3] == 'start') then
  return answer('done', v, now)
end
if lease > now then return answer('running', v, now, lease - now) end
redis.call('HSET', v, 'lease', now + tonumber(ARGV[2]))
plan(v, due, ARGV[1])
return answer('taken_over', v, now)

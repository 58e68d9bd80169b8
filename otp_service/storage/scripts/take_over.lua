#!lua
-- A start is asked for again with its Idempotency-Key: is it done, running, or did its process die in the middle?
-- KEYS[1] verification   KEYS[2] due jobs
-- ARGV[1] id   ARGV[2] lease ms
-- Returns {word, extra, now, record}: done | running (extra: ms of the lease left) | taken_over | absent
local v, due = KEYS[1], KEYS[2]
local now = now_ms()
if redis.call('EXISTS', v) == 0 then return answer('absent', v, now) end
redis.call('HSET', v, 'touched', now)  -- WAIT proves nothing on a connection that wrote nothing
local lease = number(v, 'lease')
if lease == 0 or status_at(v, now) ~= 'pending' then return answer('done', v, now) end
if lease > now then return answer('running', v, now, lease - now) end
hold(v, due, ARGV[1], now + tonumber(ARGV[2]))
return answer('taken_over', v, now)

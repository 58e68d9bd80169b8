#!lua
-- Claim one more send that no caller asked for: the last message did not arrive. Moves no pause of the phone.
-- KEYS[1] verification   KEYS[2] fails of the phone   KEYS[3] due jobs
-- ARGV[1] id   ARGV[2] number of messages when it was decided   ARGV[3] ttl ms   ARGV[4] cap of the whole life ms
-- ARGV[5] least life ms   ARGV[6] lease ms   ARGV[7] failures that disable
-- Returns {word, extra, now, record}: claimed | off (ended, delivered, sent anew, or the phone is disabled)
--   | spent (no send is left, or too little life for one); after both it will not be tried again
local v, fails, due = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
open(v)
if not is_there() then return close('off', now) end
local expires_at = math.min(now + tonumber(ARGV[3]), number(v, 'created_at') + tonumber(ARGV[4]))
local off = status_at(v, now) ~= 'pending' or number(v, 'lease') > 0 or text(v, 'failover_at') == ''
  or number(v, 'messages') ~= tonumber(ARGV[2]) or number(fails, 'count') >= tonumber(ARGV[7])
if off or number(v, 'sends') >= number(v, 'max_sends')
  or number(v, 'failovers') >= number(v, 'max_sends')  -- a send that nobody took is given back, its turn is not
  or expires_at - now < tonumber(ARGV[5]) then
  drop('failover_at')
  plan(due, ARGV[1])
  return close(off and 'off' or 'spent', now)
end
add('failovers', 1)
claim_send(v, due, ARGV[1], 'failover', expires_at, tonumber(ARGV[6]), now)
return close('claimed', now)

#!lua
-- Note that a channel did not reach the person. What is remembered of the phone counts each verification once, however
-- often this is asked for.
-- KEYS[1] verification   KEYS[2] due jobs   KEYS[3] what is remembered of the phone   KEYS[4] that the phone was proved
-- ARGV[1] id   ARGV[2] channel ('' for none: only the turn is called off)   ARGV[3] '1' if no gateway has its turn any more
-- ARGV[4] for how long it is passed over, ms by times, comma-separated   ARGV[5] the same for a proved phone
-- ARGV[6] ms until it is forgotten
-- Returns {word, extra, now, record}: ok | not_found | closed
local v, due, memory, proved = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, channel = ARGV[1], ARGV[2]
local now = now_ms()
open(v)
if not is_there() then return close('not_found', now) end
if status_at(v, now) ~= 'pending' then return close('closed', now) end

local marked = text(v, 'unreached')
if channel ~= '' and not string.find(',' .. marked .. ',', ',' .. channel .. ',', 1, true) then
  put('unreached', marked == '' and channel or marked .. ',' .. channel)
  local holds = {}
  for hold in string.gmatch(redis.call('EXISTS', proved) > 0 and ARGV[5] or ARGV[4], '%d+') do holds[#holds + 1] = hold end
  local times = redis.call('HINCRBY', memory, channel .. ':times', 1)
  redis.call('HSET', memory, channel .. ':since', now, channel .. ':until', now + holds[math.min(times, #holds)])
  redis.call('PEXPIRE', memory, ARGV[6])
  changed()
end
if ARGV[3] == '1' then drop('failover_at') end
plan(due, id)
return close('ok', now)

#!lua
-- Add a sum to what an application has spent today, unless that goes beyond its budget. The warning and the end of the
-- budget are told once a day.
-- KEYS[1] spending of the application, by day   KEYS[2] due jobs of the application   KEYS[3] its outbox
-- ARGV[1] micro-roubles, negative for what is given back   ARGV[2] budget of a day (0: none)   ARGV[3] '1' if the sum
-- has to fit   ARGV[4] percent of the budget at which to warn   ARGV[5] ms that the day begins before that of UTC
-- ARGV[6] days that are kept   ARGV[7] application   ARGV[8] the day that the sum belongs to ('' for today): what was
-- set aside before midnight and is given back after it was never of the new day
-- Returns {ms until tomorrow, spent today, what was told: '' | warning | exhausted, today}; the ms are 0 unless it was
-- refused
local spending, due, out = KEYS[1], KEYS[2], KEYS[3]
local amount, budget = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = now_ms()
local here = now + tonumber(ARGV[5])
local today = math.floor(here / 86400000)
local day = string.format('%d', today)
local spent = number(spending, day)

local function tell(what)
  if text(spending, what) == day then return '' end
  redis.call('HSET', spending, what, day)
  emit(out, due, now, 'application.budget_' .. what, ARGV[7], ARGV[7], 'spent', string.format('%d', spent),
    'budget', ARGV[2])
  return what
end

if ARGV[3] == '1' and budget > 0 and spent + amount > budget then
  local told = tell('exhausted')
  redis.call('PEXPIRE', spending, (tonumber(ARGV[6]) + 1) * 86400000)
  return {(today + 1) * 86400000 - here, string.format('%d', spent), told, day}
end
if ARGV[8] ~= '' and ARGV[8] ~= day then
  if redis.call('HEXISTS', spending, ARGV[8]) == 1 then
    redis.call('HSET', spending, ARGV[8], string.format('%d', math.max(0, number(spending, ARGV[8]) + amount)))
  end
  return {0, string.format('%d', spent), '', day}
end
if redis.call('HEXISTS', spending, day) == 0 then
  for _, old in ipairs(redis.call('HKEYS', spending)) do
    if tonumber(old) and tonumber(old) <= today - tonumber(ARGV[6]) then redis.call('HDEL', spending, old) end
  end
end
spent = math.max(0, spent + amount)
redis.call('HSET', spending, day, string.format('%d', spent))
redis.call('PEXPIRE', spending, (tonumber(ARGV[6]) + 1) * 86400000)
local told = ''
if budget > 0 and spent * 100 >= budget * tonumber(ARGV[4]) then told = tell('warning') end
return {0, string.format('%d', spent), told, day}

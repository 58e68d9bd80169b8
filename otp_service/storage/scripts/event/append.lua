#!lua
-- Pass events on from outboxes to an application's log, and count each in its statistics in the same step: each exactly once.
-- KEYS[1] log   KEYS[2] state of the log   KEYS[3] due jobs of the application   KEYS[4…] hashes of statistics
-- ARGV[1] ms that events are kept, 0 for not at all   ARGV[2] jobs to be done then, comma-separated   ARGV[3] rows that
-- statistics may have in a period
-- ARGV[4…] of each hash of statistics: until when it is kept, ms; then
-- of each event: lane of its outbox, id there, names of its fields, comma-separated, value, …, then how many rows it adds
-- to, and of each: number of the hash, period, group, counters (see statistics/_rows.lua)
-- Returns how many were new
local log, state, due = KEYS[1], KEYS[2], KEYS[3]
local keep = tonumber(ARGV[1])
local now = now_ms()
local marks, sums, new = {}, {}, 0

-- Ids of a stream are `ms-n`; they grow in both parts.
local function after(a, b)
  local a_ms, a_n = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_n = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) > tonumber(b_ms) end
  return tonumber(a_n) > tonumber(b_n)
end

local sequence = number(state, 'sequence')
if keep > 0 and sequence == 0 then
  -- Lost, or not yet there: go on from the newest event.
  local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  for n = 1, newest and #newest[2] or 0, 2 do
    if newest[2][n] == 'sequence' then sequence = tonumber(newest[2][n + 1]) or 0 end
  end
end

local hashes, words = {unpack(KEYS, 4)}, {unpack(ARGV, 4)}
local i = 1 + #hashes
local layouts = {}
while i <= #words do
  local mark, id, joined = 'relayed:' .. words[i], words[i + 1], words[i + 2]
  local names = layouts[joined]
  if not names then  -- nearly all events have the same
    names = {}
    for name in string.gmatch(joined, '[^,]+') do names[#names + 1] = name end
    layouts[joined] = names
  end
  local is_new = after(id, marks[mark] or redis.call('HGET', state, mark) or '0-0')
  if is_new then
    if keep > 0 then
      sequence = sequence + 1
      local fields = {}
      for n = 1, #names do fields[2 * n - 1], fields[2 * n] = names[n], words[i + 2 + n] end
      redis.call('XADD', log, '*', 'sequence', sequence, unpack(fields))
    end
    marks[mark] = id
    new = new + 1
  end
  i = i + 3 + #names
  for _ = 1, tonumber(words[i]) do
    if is_new then add_to(sums, tonumber(words[i + 1]), unpack(words, i + 2, i + 4)) end
    i = i + 4
  end
  i = i + 1
end
if new > 0 then
  for n, rows in pairs(sums) do write_rows(hashes[n], tonumber(words[n]), tonumber(ARGV[3]), rows) end
  local fields = {}
  for mark, id in pairs(marks) do fields[#fields + 1], fields[#fields + 2] = mark, id end
  if keep > 0 then fields[#fields + 1], fields[#fields + 2] = 'sequence', string.format('%d', sequence) end
  redis.call('HSET', state, unpack(fields))
  if keep > 0 then
    redis.call('XTRIM', log, 'MINID', '~', string.format('%d', now - keep))
    for job in string.gmatch(ARGV[2], '[^,]+') do redis.call('ZADD', due, 'LT', now, job) end
  end
end
return new

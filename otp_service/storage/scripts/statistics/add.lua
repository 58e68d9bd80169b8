#!lua
-- Add to an application's statistics what no event tells of.
-- KEYS[1…] hashes of statistics
-- ARGV[1] rows that a period may have   ARGV[2…] of each hash: until when it is kept, ms; then of each row: number of the
-- hash, period, group, counters (see _rows.lua)
-- Returns 1
local hashes, words, sums = {unpack(KEYS, 1)}, {unpack(ARGV, 2)}, {}
for i = 1 + #hashes, #words, 4 do add_to(sums, tonumber(words[i]), unpack(words, i + 1, i + 3)) end
for n, rows in pairs(sums) do write_rows(hashes[n], tonumber(words[n]), tonumber(ARGV[1]), rows) end
return 1

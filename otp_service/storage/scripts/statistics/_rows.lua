
-- Rows of statistics: fields of a hash, named `period|gateway|channel|country|operator`, the period of two digits. A row
-- is a list of numbers of eight bytes each, least first; what is missing at its end is 0 (domain/statistics.py).
-- Counters are written `place:number`, comma-separated; sums gathers them by hash and row.
local function add_to(sums, hash, period, group, counters)
  local rows = sums[hash] or {}
  sums[hash] = rows
  local row = rows[period .. '|' .. group] or {}
  rows[period .. '|' .. group] = row
  for place, added in string.gmatch(counters, '(%d+):(-?%d+)') do
    row[tonumber(place)] = (row[tonumber(place)] or 0) + tonumber(added)
  end
end

-- Only the numbers that change are read and written: a row has dozens, and an event adds to a few.
local function added_to(stored, row)
  local places, parts, from = {}, {}, 1
  for place in pairs(row) do places[#places + 1] = place end
  table.sort(places)
  for _, place in ipairs(places) do
    local at = 8 * place + 1
    if #stored < at + 7 then stored = stored .. string.rep('\0', at + 7 - #stored) end
    parts[#parts + 1] = string.sub(stored, from, at - 1)
    parts[#parts + 1] = struct.pack('<I8', math.max(0, struct.unpack('<I8', stored, at) + row[place]))
    from = at + 8
  end
  parts[#parts + 1] = string.sub(stored, from)
  return table.concat(parts)
end

-- Add to the rows of one hash. most: how many rows a period may have; further countries and operators of it are added to
-- a common row for each gateway and channel, which are words of ours. A period may use what those before it left.
local function write_rows(key, kept_until, most, rows)
  local names, values = {}, {}
  for name in pairs(rows) do names[#names + 1] = name end
  local stored = redis.call('HMGET', key, unpack(names))
  local size, moved = nil, false
  for i, name in ipairs(names) do
    if not stored[i] and most then
      size = size or redis.call('HLEN', key)
      if size >= most * (tonumber(string.sub(name, 1, 2)) + 1) then
        local common = string.match(name, '^[^|]*|[^|]*|[^|]*|') .. 'other|other'
        if common ~= name then
          local row = rows[common] or {}
          for place, added in pairs(rows[name]) do row[place] = (row[place] or 0) + added end
          rows[common], rows[name], moved = row, nil, true
        end
      else
        size = size + 1
      end
    end
  end
  if moved then return write_rows(key, kept_until, nil, rows) end
  for i, name in ipairs(names) do
    values[2 * i - 1], values[2 * i] = name, added_to(stored[i] or '', rows[name])
  end
  redis.call('HSET', key, unpack(values))
  if size then redis.call('PEXPIREAT', key, kept_until) end
end

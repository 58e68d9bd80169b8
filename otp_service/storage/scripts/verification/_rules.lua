-- Put in front of the scripts of verifications, after _common.lua: the rules that more than one of them follows.

-- The record of a verification is read once and written once: what happens to it in between happens here. Who opens one
-- ends with `close`, or with `save`.
local current, record, altered, gone

local function open(v)
  current, record, altered, gone = v, {}, {}, {}
  local flat = redis.call('HGETALL', v)
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
end

local function is_there() return next(record) ~= nil end

local function text(key, field)
  if key == current then return record[field] or '' end
  return redis.call('HGET', key, field) or ''
end

local function number(key, field)
  local found = text(key, field)
  return tonumber(found ~= '' and found or '0')
end

-- Set fields of the open record: name, value, ... They are written in this order.
local function put(...)
  local given, size = {...}, #altered
  for i = 1, #given, 2 do
    local name, value = given[i], given[i + 1]
    if type(value) == 'number' then value = string.format('%d', value) end
    record[name], gone[name] = value, nil
    altered[size + i], altered[size + i + 1] = name, value
  end
end

local function drop(...)
  for _, name in ipairs({...}) do
    if record[name] then record[name], gone[name] = nil, true end
  end
end

-- Add to a number of the open record; returns what it is now.
local function add(field, amount)
  put(field, number(current, field) + amount)
  return number(current, field)
end

-- WAIT proves nothing on a connection that wrote nothing.
local function touch(now)
  if not next(altered) and not next(gone) then put('touched', now) end
end

-- Take fields out of the record, and still answer with them this once: they were for what is done now.
local function leave_behind(prefix)
  for name in pairs(record) do
    if string.sub(name, 1, #prefix) == prefix then gone[name] = true end
  end
end

local function save()
  if #altered > 0 then redis.call('HSET', current, unpack(altered)) end  -- of what was put twice, the last stays
  local names = {}
  for name in pairs(gone) do names[#names + 1] = name end
  if #names > 0 then redis.call('HDEL', current, unpack(names)) end
  altered, gone = {}, {}
end

-- As `answer`, of the open record.
local function close(word, now, extra)
  save()
  local flat, size = {}, 0
  for name, value in pairs(record) do
    flat[size + 1], flat[size + 2] = name, value
    size = size + 2
  end
  return {word, tostring(extra or ''), tostring(now), flat}
end

-- Whether a verification is there and of this application ('' for any). One command whatever the answer, for the first
-- field of the record, because nobody shall learn from the time it takes what is another application's.
-- kind: 'delivery' for a code that the caller made; none for a verification, which must not be taken for one.
local function belongs(v, application, kind)
  local found = redis.call('HMGET', v, 'application', 'kind')
  return found[1] and (application == '' or (found[1] == application and (found[2] or '') == (kind or '')))
end

-- A verification as it is now: 'pending' past its end is 'expired', whether or not anybody wrote it down yet.
local function status_at(v, now)
  local status = text(v, 'status')
  if status == 'pending' and now >= number(v, 'expires_at') then
    return 'expired'
  end
  return status
end

-- What an event of it is called: `verification.…` or `delivery.…`.
local function event_of(v, what)
  return (text(v, 'kind') ~= '' and 'delivery.' or 'verification.') .. what
end

-- Something that a caller can see is different now.
local function changed() add('revision', 1) end

-- When somebody has to look at a verification: the earliest moment that its record names; none named, never.
-- A walk under way is left to its caller for 20 s after its lease.
local function plan(due, id)
  local at
  local function by(moment)
    if moment and (not at or tonumber(moment) < at) then at = tonumber(moment) end
  end
  if record.lease then by(record.lease + 20000) else by(record.failover_at) end
  by(record.look_at)
  if record.status == 'pending' then by(record.expires_at) end
  if at then redis.call('ZADD', due, at, 'look:' .. id) else redis.call('ZREM', due, 'look:' .. id) end
end

local TOLD = {'key_id', 'phone', 'purpose', 'channel', 'status', 'created_at', 'expires_at', 'attempts',
  'max_attempts', 'sends', 'max_sends', 'kind', 'service', 'tags', 'country', 'operator', 'test', 'withheld',
  'assurance'}
local TOLD_OF_MESSAGE = {'gateway', 'channel', 'status', 'updated_at', 'sent_at', 'parts', 'price', 'reason', 'ended_at',
  'failover'}

-- The message that brought the code, as far as is known: the one that was delivered last, else the one that left last.
local function carrier(v)
  if record.entered then return tonumber(record.entered) end  -- its code is its own
  local left, delivered, newest = nil, nil, -1
  for n = number(v, 'messages'), 1, -1 do
    local m = 'm' .. n .. ':'
    local ended_at = tonumber(record[m .. 'ended_at'] or 0)
    if record[m .. 'sent_at'] and not left then left = n end
    if record[m .. 'status'] == 'delivered' and ended_at > newest then delivered, newest = n, ended_at end
  end
  return delivered or left
end

-- How the other messages of a verification are, as `status` or, of one that was sent, `status|1`, comma-separated: so that
-- statistics count a verification once, however many messages it took.
local function others(v, n)
  local found = {}
  for other = 1, number(v, 'messages') do
    if other ~= tonumber(n) then
      local m = 'm' .. other .. ':'
      found[#found + 1] = (record[m .. 'status'] or '') .. (record[m .. 'sent_at'] and '|1' or '')
    end
  end
  return table.concat(found, ',')
end

-- An event of a verification, with what it is like at that moment, as far as there is something to tell; n: the message
-- that it is about, nil for none. carried: for the statistics of one that is about no message, which of them counts for it.
local function emit_of(v, due, out, id, kind, now, n, carried)
  changed()
  -- These always: a relay of 0.1.0 hands on what is here, and its readers ask for them.
  local fields, size = {'reference', record.reference or '', 'message', n or ''}, 4
  local function tell(name, value)
    if not value or value == '' then return end
    fields[size + 1], fields[size + 2] = name, value
    size = size + 2
  end
  for _, name in ipairs(TOLD) do tell(name, record[name]) end
  local m = (n or carried) and 'm' .. (n or carried) .. ':' or ''
  -- What it was like when an event last told of it: statistics count the difference (domain/statistics.py). After a
  -- delivery there is none.
  local counted = record[m .. 'counted']
  if n and record[m .. 'status'] == 'delivered' then
    drop(m .. 'counted')
  elseif n then
    local sent = record[m .. 'sent_at'] and '1' or ''
    put(m .. 'counted', table.concat({text(v, m .. 'status'), sent, text(v, m .. 'parts'), text(v, m .. 'price')}, '|'))
  end
  if m ~= '' then
    for _, name in ipairs(TOLD_OF_MESSAGE) do tell('message:' .. name, record[m .. name]) end
  end
  if n then
    fields[size + 1], fields[size + 2] = 'message:counted', counted or ''  -- not there: of a version that counted nothing
    size = size + 2
    tell('message:others', others(v, n))
  end
  emit(out, due, now, kind, record.application, id, unpack(fields))
end

-- The end of a verification: a final status, no hashes left, and a compact record for status questions. What became
-- of its messages is still looked after.
local function finish(v, due, out, id, status, now)
  put('status', status, 'ended_at', now)
  -- A walk that is under way may die before it has written what became of its message.
  if number(v, 'lease') > 0 and not record.look_at then put('look_at', number(v, 'lease') + 20000) end
  redis.call('PEXPIRE', v, number(v, 'retention'))
  drop('salt', 'cost', 'hash:gateway', 'hash:earlier', 'hash:local', 'settled', 'attempted_at',
    'code_length', 'lease', 'lease_op', 'failover_at', 'failovers', 'content', 'retention', 'per_message')
  for n = 1, number(v, 'messages') do drop('hash:' .. n) end
  -- By whom its sends were counted: taken back at its end or never, but for a delivery whose code is entered later.
  if not record.kind then leave_behind('by:') end
  emit_of(v, due, out, id, event_of(v, status), now, nil, carrier(v))
  plan(due, id)
end

-- Nothing left, so the phone need not wait.
local function step_down(pause, now)
  if number(pause, 'rung') > 0 then redis.call('HINCRBY', pause, 'rung', -1) end
  if redis.call('EXISTS', pause) > 0 then redis.call('HSET', pause, 'until', 0) end
  put('resend_at', now)
end

-- One send is taken back: it counts neither for the verification nor, if a caller asked for it, for the phone's pause.
local function give_back(v, pause, now)
  if number(v, 'sends') > 0 then add('sends', -1) end
  if text(v, 'lease_op') ~= 'failover' and text(v, 'kind') == '' then step_down(pause, now) end
end

-- Every send of a phone climbs one rung, from the one that it is on; the ladder is forgotten ten minutes after the last pause ended.
local function climb(pause, rung, pauses, now)
  local steps = {}
  for step in string.gmatch(pauses, '%d+') do steps[#steps + 1] = tonumber(step) end
  rung = rung + 1
  local resend_at = now + steps[math.min(rung, #steps)]
  redis.call('HSET', pause, 'rung', rung, 'until', resend_at)
  redis.call('PEXPIRE', pause, resend_at - now + 600000)
  put('resend_at', resend_at)
end

-- From now on a walk is another's: its number is what `progress` knows it by, its lease says until when it may be.
local function claim_walk(lease, now)
  add('walk', 1)
  put('lease', now + lease)
end

-- One more send of a verification is under way: by whom, and until when it may be.
local function claim_send(v, due, id, op, expires_at, lease, now)
  add('sends', 1)
  put('expires_at', expires_at, 'lease_op', op)
  claim_walk(lease, now)
  drop('failover_at')
  redis.call('PEXPIRE', v, expires_at - now + number(v, 'retention'))
  changed()
  plan(due, id)
end

-- A new message of a verification, recorded before its gateway is called.
local function open_message(n, gateway, channel, source, client_id, now)
  local m = 'm' .. n .. ':'
  put('messages', n, m .. 'gateway', gateway, m .. 'channel', channel, m .. 'source', source,
    m .. 'status', 'queued', m .. 'queued_at', now, m .. 'updated_at', now)
  if client_id ~= '' then put(m .. 'client_id', client_id) end
end

-- Whether a message may have another status now: a comma-separated list says which ones that may follow.
local function may_move(v, n, predecessors)
  return string.find(',' .. predecessors .. ',', ',' .. text(v, 'm' .. n .. ':status') .. ',', 1, true)
end

local function move_message(v, due, out, id, n, status, now)
  put('m' .. n .. ':status', status, 'm' .. n .. ':updated_at', now)
  -- A delivery that arrived is not sent again, so nobody needs to know any more what it said.
  if status == 'delivered' and text(v, 'kind') ~= '' then drop('content', 'failover_at') end
  emit_of(v, due, out, id, 'message.updated', now, n)
end

-- Put in front of every script, after its first line: the rules that more than one script follows.

-- Redis time in milliseconds; frozen while a script runs.
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function text(key, field)
  return redis.call('HGET', key, field) or ''
end

local function number(key, field)
  return tonumber(redis.call('HGET', key, field) or '0')
end

-- Whether a verification is there and of this application ('' for any). One command whatever the answer, for the first
-- field of the record, because nobody shall learn from the time it takes what is another application's.
local function belongs(v, application)
  local found = redis.call('HGET', v, 'application')
  return found and (application == '' or found == application)
end

-- A verification as it is now: 'pending' past its end is 'expired', whether or not anybody wrote it down yet.
local function status_at(v, now)
  local status = text(v, 'status')
  if status == 'pending' and now >= number(v, 'expires_at') then
    return 'expired'
  end
  return status
end

-- Something that a caller can see is different now.
local function changed(v)
  redis.call('HINCRBY', v, 'revision', 1)
end

-- When somebody has to look at a verification: the earliest moment that its record names; none named, never.
-- A walk under way is left to its caller for 20 s after its lease.
local function plan(v, due, id)
  local named = redis.call('HMGET', v, 'lease', 'look_at', 'failover_at', 'status', 'expires_at')
  local lease, at = named[1], nil
  local function by(moment)
    if moment and (not at or tonumber(moment) < at) then at = tonumber(moment) end
  end
  if lease then by(lease + 20000) else by(named[3]) end
  by(named[2])
  if named[4] == 'pending' then by(named[5]) end
  if at then redis.call('ZADD', due, at, 'look:' .. id) else redis.call('ZREM', due, 'look:' .. id) end
end

-- Tell of an event in the step that makes it happen: in the outbox of the slot, which a worker empties.
-- More fields may follow the subject, as name, value, ...
local function emit(out, due, now, kind, application, subject, ...)
  redis.call('XADD', out, '*', 'type', kind, 'at', now, 'application', application, 'subject', subject, ...)
  redis.call('ZADD', due, now, 'relay:')
end

local TOLD = {'key_id', 'phone', 'purpose', 'channel', 'reference', 'status', 'created_at', 'expires_at', 'attempts',
  'max_attempts', 'sends', 'max_sends'}
local TOLD_OF_MESSAGE = {'gateway', 'channel', 'status', 'updated_at', 'sent_at', 'parts', 'price', 'reason'}

-- An event of a verification, with what it is like at that moment; n: the message that it is about, nil for none.
-- All have the same fields, in the same order: of those a stream keeps the names only once.
local function emit_of(v, due, out, id, kind, now, n)
  changed(v)
  local fields = {}
  local function add(name, value) fields[#fields + 1] = name; fields[#fields + 1] = value or '' end
  for i, value in ipairs(redis.call('HMGET', v, unpack(TOLD))) do add(TOLD[i], value) end
  add('message', n)
  local told = {}
  if n then
    local names = {}
    for i, name in ipairs(TOLD_OF_MESSAGE) do names[i] = 'm' .. n .. ':' .. name end
    told = redis.call('HMGET', v, unpack(names))
  end
  for i, name in ipairs(TOLD_OF_MESSAGE) do add('message:' .. name, told[i]) end
  emit(out, due, now, kind, text(v, 'application'), id, unpack(fields))
end

-- The end of a verification: a final status, no hashes left, and a compact record for status questions. What became
-- of its messages is still looked after.
local function finish(v, due, out, id, status, now)
  redis.call('HSET', v, 'status', status, 'ended_at', now)
  -- A walk that is under way may die before it has written what became of its message.
  if number(v, 'lease') > 0 then redis.call('HSETNX', v, 'look_at', number(v, 'lease') + 20000) end
  redis.call('HDEL', v, 'salt', 'cost', 'hash:gateway', 'hash:earlier', 'hash:local', 'settled', 'attempted_at',
    'code_length', 'lease', 'lease_op', 'failover_at', 'failovers')
  redis.call('PEXPIRE', v, number(v, 'retention'))
  redis.call('HDEL', v, 'retention')
  emit_of(v, due, out, id, 'verification.' .. status, now)
  plan(v, due, id)
end

-- One send is taken back: it counts neither for the verification nor, if a caller asked for it, for the phone's pause.
local function give_back(v, pause, now)
  if number(v, 'sends') > 0 then redis.call('HINCRBY', v, 'sends', -1) end
  if text(v, 'lease_op') == 'failover' then return end
  if number(pause, 'rung') > 0 then redis.call('HINCRBY', pause, 'rung', -1) end
  if redis.call('EXISTS', pause) > 0 then redis.call('HSET', pause, 'until', 0) end
  redis.call('HSET', v, 'resend_at', now)
end

-- Every send of a phone climbs one rung; the ladder is forgotten ten minutes after the last pause ended.
local function climb(v, pause, pauses, now)
  local steps = {}
  for step in string.gmatch(pauses, '%d+') do steps[#steps + 1] = tonumber(step) end
  local rung = number(pause, 'rung') + 1
  local resend_at = now + steps[math.min(rung, #steps)]
  redis.call('HSET', pause, 'rung', rung, 'until', resend_at)
  redis.call('PEXPIRE', pause, resend_at - now + 600000)
  redis.call('HSET', v, 'resend_at', resend_at)
end

-- One more send of a verification is under way: by whom, and until when it may be.
local function claim_send(v, due, id, op, expires_at, lease, now)
  redis.call('HINCRBY', v, 'sends', 1)
  redis.call('HSET', v, 'expires_at', expires_at, 'lease', now + lease, 'lease_op', op)
  redis.call('HDEL', v, 'failover_at')
  redis.call('PEXPIRE', v, expires_at - now + number(v, 'retention'))
  changed(v)
  plan(v, due, id)
end

-- A new message of a verification, recorded before its gateway is called.
local function open_message(v, n, gateway, channel, source, client_id, now)
  local m = 'm' .. n .. ':'
  redis.call('HSET', v, 'messages', n, m .. 'gateway', gateway, m .. 'channel', channel, m .. 'source', source,
    m .. 'status', 'queued', m .. 'queued_at', now, m .. 'updated_at', now)
  if client_id ~= '' then redis.call('HSET', v, m .. 'client_id', client_id) end
end

-- A message's status, if it may follow the one that it has: a comma-separated list says which those are.
local function move_message(v, due, out, id, n, status, predecessors, now)
  local m = 'm' .. n .. ':'
  if not string.find(',' .. predecessors .. ',', ',' .. text(v, m .. 'status') .. ',', 1, true) then return false end
  redis.call('HSET', v, m .. 'status', status, m .. 'updated_at', now)
  emit_of(v, due, out, id, 'message.updated', now, n)
  return true
end

local function answer(word, v, now, extra)
  return {word, tostring(extra or ''), tostring(now), redis.call('HGETALL', v)}
end

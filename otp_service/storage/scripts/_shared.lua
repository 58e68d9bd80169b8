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

-- A verification as it is now: 'pending' past its end is 'expired', whether or not anybody wrote it down yet.
local function status_at(v, now)
  local status = text(v, 'status')
  if status == 'pending' and now >= number(v, 'expires_at') then
    return 'expired'
  end
  return status
end

-- The end of a verification: a final status, no hashes left, and a compact record for status questions.
local function finish(v, status, now)
  redis.call('HSET', v, 'status', status, 'updated_at', now)
  redis.call('HDEL', v, 'salt', 'cost', 'hash:gateway', 'hash:earlier', 'hash:local', 'settled', 'attempted_at',
    'code_length')
  redis.call('PEXPIRE', v, number(v, 'retention'))
end

-- One send is taken back: it counts neither for the verification nor for the phone's pause.
local function give_back(v, pause, now)
  if number(v, 'sends') > 0 then redis.call('HINCRBY', v, 'sends', -1) end
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

-- A new message of a verification, recorded before its gateway is called.
local function open_message(v, n, gateway, channel, source, client_id, now)
  local m = 'm' .. n .. ':'
  redis.call('HSET', v, 'messages', n, m .. 'gateway', gateway, m .. 'channel', channel, m .. 'source', source,
    m .. 'client_id', client_id, m .. 'status', 'queued', m .. 'updated_at', now)
end

-- A walk is under way until `lease_until`. Its caller may come back to it for 20 s more, then the worker ends it.
local function hold(v, due, id, lease_until)
  redis.call('HSET', v, 'lease', lease_until)
  redis.call('ZADD', due, lease_until + 20000, 'recover:' .. id)
end

-- The walk has ended; nobody has to look after it.
local function let_go(v, due, id)
  redis.call('HDEL', v, 'lease', 'lease_op')
  redis.call('ZREM', due, 'recover:' .. id)
end

local function answer(word, v, now, extra)
  return {word, tostring(extra or ''), tostring(now), redis.call('HGETALL', v)}
end

-- Put in front of every script, after its first line.

local began

-- Redis time in milliseconds; frozen while a script runs.
local function now_ms()
  if not began then
    local t = redis.call('TIME')
    began = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  return began
end

local function text(key, field)
  return redis.call('HGET', key, field) or ''
end

local function number(key, field)
  return tonumber(redis.call('HGET', key, field) or '0')
end

-- Tell of an event in the step that makes it happen: in the outbox of the slot, which a worker empties.
-- More fields may follow the subject, as name, value, ...
local function emit(out, due, now, kind, application, subject, ...)
  redis.call('XADD', out, '*', 'type', kind, 'at', now, 'application', application, 'subject', subject, ...)
  redis.call('PERSIST', out)
  redis.call('ZADD', due, now, 'relay:')
end

-- What scripts of verifications and subjects return: a word, what goes with it, the time, and the whole record.
local function answer(word, v, now, extra)
  return {word, tostring(extra or ''), tostring(now), redis.call('HGETALL', v)}
end

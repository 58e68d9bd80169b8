-- Put in front of the scripts of factors, after _common.lua.
-- A subject is one hash: `application`; `who`, the caller's id of the person, sealed; `s`, the states of all authenticators, and
-- `t:<id>`, what is sealed of each; `b`, `bs` and `b:<selector>` of backup codes, state, sealed, and 'l' (live) or 'u'
-- (used) with the hash; `p:<phone index>` sealed and `v:<phone index>` when it was verified. A state is JSON; `fails` and `wait_until` in it are the factor's ledger.

local function state(key, field)
  local found = redis.call('HGET', key, field)
  return found and cjson.decode(found)
end

local function keep(key, field, value)
  redis.call('HSET', key, field, cjson.encode(value))
end

-- The authenticators of a subject, id → state. One that was not confirmed in its hour is not there any more.
local function authenticators(key, now)
  local all = state(key, 's') or {}
  for id, s in pairs(all) do
    if s.expires_at ~= 0 and now >= s.expires_at then
      all[id] = nil
      redis.call('HDEL', key, 't:' .. id)
    end
  end
  return all
end

-- An answer with these fields alone: as much for what is there as for a decoy, so that neither size nor time tells.
local function answer_with(word, key, now, extra, fields)
  local found = {}
  if #fields > 0 then
    for at, value in ipairs(redis.call('HMGET', key, unpack(fields))) do
      if value then found[#found + 1] = fields[at]; found[#found + 1] = value end
    end
  end
  return {word, tostring(extra or ''), tostring(now), found}
end

-- Tell of a factor in the step that changes it; id: '' of backup codes.
local function tell(key, out, due, now, kind, factor, id, ...)
  emit(out, due, now, kind, text(key, 'application'), id, 'factor', factor, 'person', text(key, 'who'),
    'index', string.match(key, '([^:]*)$'), ...)
end

-- What only waits for its confirmation ends by itself; anything else stays until it is removed.
local function settle_life(key, now)
  local last = 0
  for _, s in pairs(authenticators(key, now)) do
    if s.expires_at == 0 then return redis.call('PERSIST', key) end
    last = math.max(last, s.expires_at)
  end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if field == 'b' or string.sub(field, 1, 2) == 'p:' then return redis.call('PERSIST', key) end
  end
  if last > now then redis.call('PEXPIRE', key, last - now) else redis.call('DEL', key) end
end

-- Count one attempt at a factor before anybody looks at the code: 'judge', 'disabled', or 'waiting' and the ms.
local function count(s, now, fails_that_wait, first_wait, longest_wait, fails_that_disable)
  if s.fails >= tonumber(fails_that_disable) then return 'disabled' end
  if s.wait_until > now then return 'waiting', s.wait_until - now end
  s.fails = s.fails + 1
  local over = s.fails - tonumber(fails_that_wait)
  if over >= 0 then s.wait_until = now + math.min(tonumber(longest_wait), tonumber(first_wait) * 2 ^ math.min(over, 20)) end
  return 'judge'
end

-- The last wrong code that a factor was allowed; true once.
local function lock(s, fails_that_disable)
  if s.locked or s.fails < tonumber(fails_that_disable) then return false end
  s.locked = true
  return true
end

local function forgive(s)
  s.fails, s.wait_until, s.locked = 0, 0, nil
end

-- A subject or a code of a kind that is not there is counted as if it were, so that nobody can tell by trying.
local function count_decoy(decoy, kind, now, ...)
  local s = state(decoy, kind) or {fails = 0, wait_until = 0}
  local word, ms = count(s, now, ...)
  keep(decoy, kind, s)
  redis.call('PEXPIRE', decoy, 86400000)
  return word, ms
end

-- Whether a request is the repeat of another: nil for the first, else 'mismatch', 'replay' and the verdict, 'running'
-- and the ms, or 'again' where the first one was counted and died before its verdict.
local function repeated(op, fingerprint, now, unsettled)
  if fingerprint == '' or redis.call('EXISTS', op) == 0 then return nil end
  if text(op, 'fingerprint') ~= fingerprint then return 'mismatch' end
  redis.call('HSET', op, 'touched', now)
  local verdict = redis.call('HGET', op, 'verdict')
  local clock_off = redis.call('HGET', op, 'clock_off')
  if verdict then return 'replay', clock_off and 'clock_off::' .. clock_off or verdict end
  local left = tonumber(unsettled) - (now - number(op, 'since'))
  if left > 0 then return 'running', left end
  return 'again'
end

local function begin(op, fingerprint, now, life)
  if fingerprint == '' then return end
  redis.call('HSET', op, 'fingerprint', fingerprint, 'since', now)
  redis.call('PEXPIRE', op, tonumber(life))
end

local function conclude(op, fingerprint, verdict, now, life)
  if fingerprint == '' then return end
  redis.call('HSET', op, 'fingerprint', fingerprint, 'since', now, 'verdict', verdict)
  redis.call('PEXPIRE', op, tonumber(life))
end

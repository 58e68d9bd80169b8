#!lua flags=allow-oom
-- Forget verifications: their records with their messages, and what was to be done about them.
-- KEYS[1] due jobs   KEYS[2…] verifications
-- ARGV[1…] their ids
-- Returns {how many records there were, their messages, {names of their idempotency records}}
local found, messages, idempotency = 0, 0, {}
local verifications, ids = {unpack(KEYS, 2)}, {unpack(ARGV, 1)}
for n, id in ipairs(ids) do
  local v = verifications[n]
  if redis.call('TYPE', v).ok == 'hash' then -- what another program wrote in its place is deleted all the same
    messages = messages + number(v, 'messages')
    local record = text(v, 'idempotency')
    if record ~= '' then idempotency[#idempotency + 1] = record end
  end
  found = found + redis.call('DEL', v)
  redis.call('ZREM', KEYS[1], 'look:' .. id)
end
return {found, messages, idempotency}

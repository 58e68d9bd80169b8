#!lua
-- Forget one verification: its record with its messages, what was to be done about it, and events not yet passed on.
-- KEYS[1] verification   KEYS[2] due jobs   KEYS[3] outbox
-- ARGV[1] id
-- Returns {1 if there was a record, else 0; its messages; events that were waiting; name of its idempotency record or ''}
local v, due, out = KEYS[1], KEYS[2], KEYS[3]
local found, messages, idempotency = redis.call('EXISTS', v), number(v, 'messages'), text(v, 'idempotency')
redis.call('DEL', v)
for _, kind in ipairs({'look:', 'recover:'}) do redis.call('ZREM', due, kind .. ARGV[1]) end
local waiting = 0
for _, entry in ipairs(redis.call('XRANGE', out, '-', '+')) do
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'subject' and entry[2][i + 1] == ARGV[1] then
      waiting = waiting + redis.call('XDEL', out, entry[1])
    end
  end
end
return {found, messages, waiting, idempotency}

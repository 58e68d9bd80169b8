#!lua flags=allow-oom
-- Whose session this is, if it is still good: the account is there, has the same role, and no session was revoked.
-- KEYS[1] session   KEYS[2] account
-- ARGV[1] life without use from now on, ms; 0: this is no use of it
-- Returns {word, session, account}: ok | gone
local session, account = KEYS[1], KEYS[2]
local now, ends = now_ms(), number(session, 'ends_at')
if ends <= now then return {'gone', {}, {}} end
if text(session, 'epoch') ~= text(account, 'epoch') or text(session, 'role') ~= text(account, 'role') then
  redis.call('DEL', session)
  return {'gone', {}, {}}
end
if tonumber(ARGV[1]) > 0 then redis.call('PEXPIRE', session, math.min(tonumber(ARGV[1]), ends - now)) end
return {'ok', redis.call('HGETALL', session), redis.call('HGETALL', account)}

#!lua
-- Open a session of an operator under a name that nobody knew before, and end the one that led to it.
-- KEYS[1] session   KEYS[2] account   KEYS[3] the session before; itself if none
-- ARGV[1] stage: 'password' | 'full'   ARGV[2] life without use, ms   ARGV[3] life at most, ms   ARGV[4] how it was opened
-- ARGV[5] epoch of the account when somebody began to look at who this is
-- Returns 1, or 0 if there is no such operator, or all sessions were ended meanwhile
local session, account = KEYS[1], KEYS[2]
if redis.call('EXISTS', account) == 0 or text(account, 'epoch') ~= ARGV[5] then return 0 end
local now = now_ms()
redis.call('DEL', KEYS[3])
redis.call('HSET', session, 'stage', ARGV[1], 'ends_at', now + tonumber(ARGV[3]), 'epoch', text(account, 'epoch'),
  'role', text(account, 'role'), 'by', ARGV[4])
redis.call('PEXPIRE', session, math.min(tonumber(ARGV[2]), tonumber(ARGV[3])))
if ARGV[1] == 'full' then redis.call('HSET', account, 'signed_in_at', now) end
return 1

#!lua
-- Approve a pending verification whose code the caller gave and judged itself.
-- KEYS[1] verification   KEYS[2] fails of the phone   KEYS[3] pause of the phone   KEYS[4] due jobs   KEYS[5] outbox
-- KEYS[6] that the phone was proved
-- ARGV[1] id   ARGV[2] application   ARGV[3] '1' if it need not be the caller's own code
-- ARGV[4] seconds for which a proved phone is remembered (0: it is not)
-- ARGV[5] what the approval is where it proves less than a code that was held ('' for that); then no wrong codes are
--         forgiven because of it, since whoever forges it may be who guessed
-- ARGV[6] failures that disable a phone, also for what proves less
-- Returns {word, extra, now, record}: approved | closed (no longer pending, or disabled) | not_allowed | not_found
local v, fails, pause, due, out = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now = now_ms()
if not belongs(v, ARGV[2]) then return {'not_found', '', tostring(now), {}} end
open(v)
if status_at(v, now) ~= 'pending' then return close('closed', now) end
if ARGV[3] ~= '1' and text(v, 'own_code') == '' then return close('not_allowed', now) end
if ARGV[5] ~= '' and number(fails, 'count') >= tonumber(ARGV[6]) then return close('closed', now) end
if ARGV[5] == '' then redis.call('DEL', fails, pause) else put('assurance', ARGV[5]) end
if ARGV[4] ~= '0' then redis.call('SET', KEYS[6], '1', 'EX', ARGV[4]) end
finish(v, due, out, ARGV[1], 'approved', now)
return close('approved', now)

#!lua
-- Tell that a code of an authenticator was judged in a challenge of the Twilio facade.
-- KEYS[1] subject   KEYS[2] due jobs   KEYS[3] outbox
-- ARGV[1] application   ARGV[2] id   ARGV[3] SID of the challenge   ARGV[4] 'challenge.approved' | 'challenge.denied'
-- Returns 1, or 0 for a subject that is not there
local subject, due, out = KEYS[1], KEYS[2], KEYS[3]
if text(subject, 'application') ~= ARGV[1] then return 0 end
tell(subject, out, due, now_ms(), ARGV[4], 'totp', ARGV[2], 'challenge', ARGV[3])
return 1

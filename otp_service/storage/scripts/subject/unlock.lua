#!lua flags=allow-oom
-- Forget the wrong codes of every factor of a subject, so that disabled ones work again.
-- KEYS[1] subject   KEYS[2] decoy: attempts at what is not there
-- ARGV[1] application
-- Returns {word, extra, now, record}: ok (extra: wrong codes in a row, of all factors)
local subject, decoy = KEYS[1], KEYS[2]
local now = now_ms()
local fails = 0
if text(subject, 'application') == ARGV[1] then
  local all = authenticators(subject, now)
  for _, s in pairs(all) do
    fails = fails + s.fails
    forgive(s)
  end
  if next(all) then keep(subject, 's', all) end
  local s = state(subject, 'b')
  if s then
    fails = fails + s.fails
    forgive(s)
    keep(subject, 'b', s)
  end
end
redis.call('DEL', decoy)
return answer('ok', subject, now, fails)

#!lua
-- Give an API key a successor that may do the same, and let the old one end after an overlap. At most two are alive.
-- KEYS[1] ids of all keys   KEYS[2] old key   KEYS[3] new key   KEYS[4] the old one's predecessor, itself if none
-- ARGV[1] id of the old key   ARGV[2] id of the new key   ARGV[3] SHA-256 of the new key   ARGV[4] overlap ms
-- ARGV[5] ms that a key can be seen after its end
-- Returns {word, extra}: rotated (extra: when the old one ends) | unknown | expired | has_successor (extra: its id)
--   | two_live (extra: when the predecessor ends)
local ids, old, new, before = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, kept = now_ms(), tonumber(ARGV[5])
if text(old, 'id') ~= ARGV[1] then return {'unknown', ''} end
local ends = number(old, 'expires_at')
local successor = text(old, 'successor')
if successor == ARGV[2] then return {'rotated', tostring(ends)} end  -- asked for again after a lost answer
if ends > 0 and ends <= now then return {'expired', ''} end
if successor ~= '' then return {'has_successor', successor} end
if before ~= old and number(before, 'expires_at') > now then
  return {'two_live', text(before, 'expires_at')}
end

local life = number(old, 'life')
redis.call('HSET', new, 'id', ARGV[2], 'created_at', now, 'life', life, 'application', text(old, 'application'),
  'name', text(old, 'name'), 'scopes', text(old, 'scopes'), 'networks', text(old, 'networks'), 'predecessor', ARGV[1])
if life > 0 then
  redis.call('HSET', new, 'expires_at', now + life)
  redis.call('PEXPIRE', new, life + kept)
end
redis.call('HSET', ids, ARGV[2], ARGV[3])
local last = now + tonumber(ARGV[4])
if ends > 0 then last = math.min(last, ends) end
redis.call('HSET', old, 'expires_at', last, 'successor', ARGV[2])
redis.call('PEXPIRE', old, last - now + kept)
return {'rotated', tostring(last)}

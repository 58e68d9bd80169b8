#!lua
-- Remember how a gateway's messages ended, the newest only.
-- KEYS[1] whether it was heard of messages in time   KEYS[2] ends of messages
-- ARGV[1] how many of the first are kept   ARGV[2] how many of the second   ARGV[3] ms that both live
-- ARGV[4] how many of the first follow   ARGV[5…] those: '1' | '0'; then ends: ms to delivery, or 'failed'
-- Returns 1
for i = 5, #ARGV do
  redis.call('LPUSH', KEYS[i < 5 + tonumber(ARGV[4]) and 1 or 2], ARGV[i])
end
for k = 1, 2 do
  redis.call('LTRIM', KEYS[k], 0, tonumber(ARGV[k]) - 1)
  redis.call('PEXPIRE', KEYS[k], tonumber(ARGV[3]))
end
return 1

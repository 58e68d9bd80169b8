#!lua flags=allow-oom
-- Remember how a gateway's messages ended, the newest only.
-- KEYS[1] whether it was heard of messages in time   KEYS[2] ends of messages
-- ARGV[1] how many of the first are kept   ARGV[2] how many of the second   ARGV[3] ms that both live
-- ARGV[4] how many of the first follow   ARGV[5…] those: '1' | '0'; then ends: ms to delivery, or 'failed'
-- Returns 1
for i, told in ipairs({unpack(ARGV, 5)}) do
  redis.call('LPUSH', i <= tonumber(ARGV[4]) and KEYS[1] or KEYS[2], told)
end
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[1]) - 1)
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[2]) - 1)
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[3]))
return 1

-- Corrects what was counted for a request that is over, and gives its place back. What is forgotten stays so.
--
-- KEYS  1 tokens, 2 tokens of the day it began on, 3 running requests: as in reserve.lua
-- ARGV  1 second it began in, 2 tokens more (or, negative, fewer) than were counted in it, 3 the same for the day,
--       4 its lease, empty if it has none

if ARGV[2] ~= '0' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
end
if ARGV[3] ~= '0' and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('INCRBY', KEYS[2], ARGV[3])
end
if ARGV[4] ~= '' then redis.call('ZREM', KEYS[3], ARGV[4]) end
return 0

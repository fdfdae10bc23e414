-- Lets leases of one caller's running requests last longer, also those that a restart of the store forgot.
--
-- KEYS  1 running requests, as in reserve.lua
-- ARGV  1 seconds that they last from now on, then the leases
--
-- What goes before: local function now() return seconds, microseconds end

local second, fraction = now()
local lasts = tonumber(ARGV[1])
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], second + fraction / 1000000 + lasts, ARGV[i])
end
redis.call('EXPIRE', KEYS[1], 2 * lasts)
return 0

-- Admits a request of one caller, or refuses it and counts nothing. Does what the memory implementation does
-- (domain/limits/memory.py), to the second.
--
-- KEYS  1 requests, 2 tokens: hashes of what was used in each second
--       3 tokens of a day: its beginning, the number of the day comes behind it
--       4 running requests: sorted set of leases by when they end
-- ARGV  1 requests per minute, 2 tokens per minute, 3 tokens per day, 4 requests at once; empty where there is no limit
--       5 tokens of this request, 6 its lease, 7 seconds that a lease lasts
-- Gives {refusing limit or '', seconds to wait, requests left, reset, tokens left, reset, tokens of the day left, reset,
--        second, day}, with -1 for what is left where there is no limit.
--
-- What goes before: local function now() return seconds, microseconds end

local MINUTE, COUNTED, DAY = 60, 61, 86400
local second, fraction = now()
local time = second + fraction / 1000000
local day = math.floor(second / DAY)
local midnight = math.ceil((day + 1) * DAY - time)
local requests, tokens, today, places = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local asked, lease, lasts = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local day_key = KEYS[3] .. day

-- What is used in the window, and when; what is too old goes, and what is from the far future of a clock set back.
local function window(key)
  local flat, used, seconds, counts, old = redis.call('HGETALL', key), 0, {}, {}, {}
  for i = 1, #flat, 2 do
    local at, count = tonumber(flat[i]), tonumber(flat[i + 1])
    if at < second - MINUTE or at > second + MINUTE then
      old[#old + 1] = flat[i]
    else
      used = used + count
      seconds[#seconds + 1] = at
      counts[at] = count
    end
  end
  if #old > 0 then redis.call('HDEL', key, unpack(old)) end
  return {used = used, seconds = seconds, counts = counts}
end

-- Seconds until no more than so much is used.
local function wait(win, at_most)
  table.sort(win.seconds)
  local left = win.used
  for _, at in ipairs(win.seconds) do
    left = left - win.counts[at]
    if left <= at_most then return math.ceil(at + COUNTED - time) end
  end
  return MINUTE
end

-- Seconds until nothing is used; no more than it can be, even if the clock was set back and the newest is yet to come.
local function reset(win)
  local newest = nil
  for _, at in ipairs(win.seconds) do
    if newest == nil or at > newest then newest = at end
  end
  return newest and math.min(COUNTED, math.ceil(newest + COUNTED - time)) or 0
end

local refusing, longest = '', 0
local function refuse(limit, seconds)
  if refusing == '' or seconds > longest then refusing, longest = limit, seconds end
end

local in_requests = requests and window(KEYS[1])
if requests and in_requests.used >= requests then
  refuse('requests_per_minute', wait(in_requests, requests - 1))
end
local in_tokens = tokens and window(KEYS[2])
if tokens and in_tokens.used > math.max(0, tokens - asked) then
  refuse('tokens_per_minute', wait(in_tokens, math.max(0, tokens - asked)))
end
local used_today = today and tonumber(redis.call('GET', day_key) or '0')
if today and used_today > math.max(0, today - asked) then
  refuse('tokens_per_day', midnight)
end
if places then
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', time)
  if redis.call('ZCARD', KEYS[4]) >= places then refuse('concurrent_requests', 1) end
end

local function left(limit, used) return limit and math.max(0, limit - used) or -1 end

if refusing ~= '' then
  return {
    refusing, longest,
    left(requests, requests and in_requests.used), requests and reset(in_requests) or 0,
    left(tokens, tokens and in_tokens.used), tokens and reset(in_tokens) or 0,
    left(today, used_today), today and midnight or 0,
    second, day,
  }
end

local function count(key, amount)
  redis.call('HINCRBY', key, second, amount)
  redis.call('EXPIRE', key, 2 * COUNTED)
end

local requests_left, tokens_left, today_left = -1, -1, -1
if requests then
  count(KEYS[1], 1)
  requests_left = requests - in_requests.used - 1
end
if tokens then
  local amount = math.min(asked, tokens)
  count(KEYS[2], amount)
  tokens_left = tokens - in_tokens.used - amount
end
if today then
  local amount = math.min(asked, today)
  redis.call('INCRBY', day_key, amount)
  redis.call('EXPIRE', day_key, 2 * DAY)
  today_left = today - used_today - amount
end
if places then
  redis.call('ZADD', KEYS[4], time + lasts, lease)
  redis.call('EXPIRE', KEYS[4], 2 * lasts)
end
return {'', 0, requests_left, COUNTED, tokens_left, COUNTED, today_left, today and midnight or 0, second, day}

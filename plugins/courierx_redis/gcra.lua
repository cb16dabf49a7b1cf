-- courierx_core.meter.take, step by step, on Redis: one key's level, which all processes share.
-- Whole numbers below 2^53 throughout, so doubles are exact: times are seconds and nanoseconds apart.
--
-- KEYS[1]  the level: "seconds nanoseconds ahead count", `ahead` in nanoseconds times count
-- ARGV     want, count, seconds, at_once; then the time, where the server's is not meant
-- returns  the permits granted, and after how many seconds the next one would be

local want, count, seconds, at_once =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now_s, now_ns = tonumber(ARGV[5]), tonumber(ARGV[6])
if not now_s then
  local time = redis.call('TIME')
  now_s, now_ns = tonumber(time[1]), tonumber(time[2]) * 1000
end

local cost = seconds * 1e9
local ahead, elapsed = 0, 0
local level = redis.call('GET', KEYS[1])
if level then
  local at_s, at_ns, was_ahead, was_count = level:match('^(%d+) (%d+) (%d+) (%d+)$')
  elapsed = (now_s - at_s) * 1e9 + (now_ns - at_ns)
  ahead = math.max(0, was_ahead - math.max(0, elapsed) * was_count)
  if tonumber(was_count) ~= count then
    ahead = math.ceil(ahead * count / was_count)
  end
end

local room = at_once * cost - ahead
local granted = math.min(want, math.max(0, math.floor(room / cost)))
if granted > 0 or elapsed < 0 then -- a clock that was set back must not stop the key until then
  ahead = ahead + granted * cost
  room = room - granted * cost
  level = string.format('%.0f %.0f %.0f %.0f', now_s, now_ns, ahead, count)
  -- Kept for a minute longer than it takes to be paid for: the clock may be set.
  redis.call('SET', KEYS[1], level, 'PX', string.format('%.0f', math.ceil(ahead / count / 1e6) + 60000))
end
if granted == want then
  return {granted, '0'}
end
return {granted, string.format('%.17g', (cost - room) / (count * 1e9))}

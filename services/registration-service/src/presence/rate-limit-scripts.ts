// The generic cell rate algorithm. A key holds the time (ms) until which its hits are paid for. Each hit costs an interval,
// and at most `burst` intervals may be owed, so the limit slides: there is no window whose end to wait for. The scripts run
// on the clock of Redis, since the clocks of replicas differ. ARGV begins with interval (ms) and burst.

const NOW_AND_PAID = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = paid + interval - burst * interval - now`

/**
 * Counts a hit. KEYS: paid. Returns the time (ms) to wait, 0 if within the limit. A hit over the limit is not counted, so
 * waiting is enough.
 */
export const HIT = `${NOW_AND_PAID}
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], paid + interval, 'PX', math.ceil(paid + interval - now))
return 0`

/**
 * Reserves hits for what may turn out to be one. KEYS: paid, reserved. ARGV: also for how long (ms) a reservation holds if
 * it is not settled, then an id per hit. Returns how many of the ids have one, first ones first, and the time (ms) to wait
 * if hits alone, without reservations, have reached the limit.
 */
export const RESERVE = `${NOW_AND_PAID}
if wait > 0 then return {0, math.ceil(wait)} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
-- Intervals that are no whole number of milliseconds must not cost a hit by rounding.
local free = math.floor(1.001 - wait / interval) - redis.call('ZCARD', KEYS[2])
local granted = math.max(math.min(free, #ARGV - 3), 0)
for i = 1, granted do redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[3 + i]) end
if granted > 0 then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return {granted, 0}`

/** Ends a reservation, and counts its hit. KEYS: paid, reserved. ARGV: also its id, and 1 to count or 0 not to. */
export const SETTLE = `${NOW_AND_PAID}
redis.call('ZREM', KEYS[2], ARGV[3])
if ARGV[4] == '1' and wait <= 0 then
  redis.call('SET', KEYS[1], paid + interval, 'PX', math.ceil(paid + interval - now))
end
return 0`

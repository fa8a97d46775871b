// Redis runs each script as one step, on its own clock: replicas whose clocks differ still agree on who is alive.

/**
 * Beats. KEYS: alive, epoch, then a presence key per node. ARGV: channel, then id and TTL (ms) per node.
 * The presence key with its TTL says who is alive; `alive` holds when each was last heard of, to find who fell silent;
 * `epoch` says since when this Redis has been listening. Answers with the ids that were not alive before.
 */
export const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[2], now, 'NX')
local arrived = {}
for i = 3, #KEYS do
  local id = ARGV[(i - 3) * 2 + 2]
  redis.call('SET', KEYS[i], now, 'PX', ARGV[(i - 3) * 2 + 3])
  if redis.call('ZADD', KEYS[1], now, id) == 1 then
    arrived[#arrived + 1] = id
    redis.call('PUBLISH', ARGV[1], id)
  end
end
return arrived`

/**
 * The sweep. KEYS: alive, gone, epoch. ARGV: channel, prefix of presence keys, silence (ms) worth a look, most nodes a sweep.
 * Whoever is in alive but whose presence key has expired goes from alive to gone, once, whichever replica comes first;
 * gone keeps the time last heard of until Postgres has it. Answers with the number of nodes that are alive, and since how
 * long (ms) this Redis has been listening.
 */
export const SWEEP = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[3], now, 'NX')
local silent = redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[3], 'BYSCORE', 'LIMIT', 0, ARGV[4], 'WITHSCORES')
for i = 1, #silent, 2 do
  if redis.call('EXISTS', ARGV[2] .. silent[i]) == 0 then
    redis.call('ZREM', KEYS[1], silent[i])
    redis.call('ZADD', KEYS[2], 'GT', silent[i + 1], silent[i])
    redis.call('PUBLISH', ARGV[1], silent[i])
  end
end
return {redis.call('ZCARD', KEYS[1]), now - redis.call('GET', KEYS[3])}`

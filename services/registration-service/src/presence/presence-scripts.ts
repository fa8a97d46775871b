// Redis runs each script as one step and on its own clock, so replicas with different clocks agree on which nodes are alive.

/**
 * Beats. KEYS: alive, epoch, then a presence key per node. ARGV: channel, then id and TTL (ms) per node.
 * A node is alive while its presence key exists. `alive` holds the time of each node's last beat, to find silent nodes.
 * `epoch` holds since when this Redis receives beats. Returns the ids that were not alive before.
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
 * A node in `alive` whose presence key has expired moves to `gone`, once, whichever replica comes first. `gone` keeps the
 * time of its last beat until Postgres has it. Returns the number of nodes that are alive, for how long (ms) this Redis
 * has received beats, and how many nodes moved.
 */
export const SWEEP = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[3], now, 'NX')
local silent = redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[3], 'BYSCORE', 'LIMIT', 0, ARGV[4], 'WITHSCORES')
local moved = 0
for i = 1, #silent, 2 do
  if redis.call('EXISTS', ARGV[2] .. silent[i]) == 0 then
    redis.call('ZREM', KEYS[1], silent[i])
    redis.call('ZADD', KEYS[2], 'GT', silent[i + 1], silent[i])
    redis.call('PUBLISH', ARGV[1], silent[i])
    moved = moved + 1
  end
end
return {redis.call('ZCARD', KEYS[1]), now - redis.call('GET', KEYS[3]), moved}`

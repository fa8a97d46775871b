// Redis runs each script as one step and on its own clock, so replicas with different clocks agree on which nodes are alive.

// `epoch` holds since when this Redis receives beats. Beats and sweeps keep it; it expires while no replica reaches Redis, as
// when a primary is lost and another takes over with what it had: nodes that could not be heard are not offline.
const RECEIVE = (epoch: string, holdMs: string) => `
if not redis.call('SET', ${epoch}, now, 'NX', 'PX', ${holdMs}) then redis.call('PEXPIRE', ${epoch}, ${holdMs}) end`

/**
 * Beats. KEYS: alive, epoch, then a presence key per node. ARGV: channel, how long (ms) the epoch holds, then id and TTL (ms) per node.
 * A node is alive while its presence key exists. `alive` holds the time of each node's last beat, to find silent nodes.
 * Returns the ids that were not alive before.
 */
export const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
${RECEIVE('KEYS[2]', 'ARGV[2]')}
local arrived = {}
for i = 3, #KEYS do
  local id = ARGV[(i - 3) * 2 + 3]
  redis.call('SET', KEYS[i], now, 'PX', ARGV[(i - 3) * 2 + 4])
  if redis.call('ZADD', KEYS[1], now, id) == 1 then
    arrived[#arrived + 1] = id
    redis.call('PUBLISH', ARGV[1], id)
  end
end
return arrived`

/**
 * The sweep. KEYS: alive, gone, epoch. ARGV: channel, prefix of presence keys, silence (ms) worth a look, most nodes a sweep,
 * how long (ms) the epoch holds, how long (ms) this Redis must have received beats before a node can be offline. A node in
 * `alive` whose presence key has expired moves to `gone`, once, whichever replica comes first. `gone` keeps the time of its
 * last beat until Postgres has it. Returns the number of nodes that are alive, for how long (ms) this Redis has received
 * beats, and how many nodes moved.
 */
export const SWEEP = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
${RECEIVE('KEYS[3]', 'ARGV[5]')}
local listening = now - redis.call('GET', KEYS[3])
if listening < tonumber(ARGV[6]) then return {redis.call('ZCARD', KEYS[1]), listening, 0} end
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
return {redis.call('ZCARD', KEYS[1]), listening, moved}`

/** KEYS: epoch. Returns for how long (ms) this Redis has received beats, -1 if it has received none. */
export const LISTENING = `
local epoch = redis.call('GET', KEYS[1])
if not epoch then return -1 end
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000) - epoch`

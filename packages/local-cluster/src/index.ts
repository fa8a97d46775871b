export { defaultCacheDir } from './cache-dir.ts'
export { startPostgres, type Postgres, type PostgresOptions } from './postgres.ts'
export { startRedis, type Redis, type RedisOptions } from './redis.ts'

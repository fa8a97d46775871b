export * from './failover/pgbouncer.ts'
export * from './failover/port.ts'
export * from './failover/redis-servers.ts'
export * from './failover/standby.ts'

export * from './failover/redis-servers.ts'

export type { Health } from './health.ts'
export * from './open-server.ts'
export * from './serve.ts'
export * from './service-identity.ts'

export type { Health } from './server/health.ts'
export * from './server/serve.ts'

export type { Health } from './server/health.ts'
export * from './server/serve.ts'
export { DEFAULT_GATE_LIMITS, type GateLimits } from './gate/limits.ts'

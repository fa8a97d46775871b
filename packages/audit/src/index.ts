export * from './open-audit.ts'
export * from './record.ts'
export * from './refusals.ts'
export { auditFields } from './retention.ts'

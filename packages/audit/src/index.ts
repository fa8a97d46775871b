export * from './open-audit.ts'
export * from './record.ts'
export * from './record-refused.ts'
export * from './refusals.ts'

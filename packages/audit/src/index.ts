export * from './record.ts'
export * from './refusals.ts'

export * from './migrate.ts'
export * from './pool.ts'
export * from './sql-state.ts'
export * from './transaction.ts'

export * from './identity-folder.ts'
export * from './renewal.ts'

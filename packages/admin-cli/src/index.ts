export { main } from './cli.ts'
export type { Io, Output } from './cli/io.ts'

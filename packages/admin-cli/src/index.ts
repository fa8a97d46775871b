export { main, MUSTERCTL } from './cli.ts'
export { runMusterctl } from './run-process.ts'
export type { Io, Output } from '@muster/cli-kit'

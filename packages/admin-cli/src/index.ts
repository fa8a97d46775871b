export { main } from './cli.ts'
export type { Io, Output } from '@muster/cli-kit'

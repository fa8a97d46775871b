export { CliError, UsageError } from './command/errors.ts'
export type { Io, Output } from './command/io.ts'
export { FORMATS, type ArgsOf, type Format, type Option, type OptionSet } from './command/options.ts'
export type * from './command/program.ts'

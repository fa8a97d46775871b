import { UsageError } from '../exit-status.ts'

/** What yargs says of arguments that it cannot read, in the words of musterctl and without what may be a secret. */
export function parseError(message: string, argv: readonly string[]): UsageError {
  return new UsageError(withoutValues(reworded(message, argv), argv))
}

function reworded(message: string, argv: readonly string[]): string {
  return message
    .replace(/^Did you mean start\?$/, "unknown command; did you mean 'muster start'?")
    .replace(/^Not enough arguments following: /, 'a value is missing after --')
    .replace(/^Unknown arguments?: (.*)$/s, (_, names: string) => {
      const typed = asTyped(names.split(', '), argv)
      return `unknown argument${typed.length === 1 ? '' : 's'}: ${typed.join(', ')}`
    })
}

/** For --x-y yargs knows xY as well, which nobody typed. */
function asTyped(names: readonly string[], argv: readonly string[]): string[] {
  const flags = argv.filter((arg) => arg.startsWith('--')).map((arg) => arg.split('=')[0]!)
  const bare = (name: string) => name.replaceAll('-', '').toLowerCase()
  const isTyped = (name: string) => flags.includes(`--${name}`) || argv.includes(name)
  return names
    .filter((name) => isTyped(name) || !flags.some((flag) => bare(flag) === bare(name)))
    .map((name) => (flags.includes(`--${name}`) ? `--${name}` : name))
}

/** A custom token value may be this short. */
const SHORTEST_SECRET = 16

/** yargs repeats arguments that it does not know, and one of them may be a token or an invitation in the wrong place. */
function withoutValues(message: string, argv: readonly string[]): string {
  return argv
    .filter((arg) => !arg.startsWith('-') && arg.length >= SHORTEST_SECRET)
    .reduce((text, arg) => text.replaceAll(arg, '(not repeated, as it may be a secret)'), message)
}

import { isTokenId, printable, tokenIdOf } from '@muster/domain'
import { defineCommand, FORMAT } from '../command.ts'
import { CallError, CliError, UsageError } from '../errors.ts'
import { print } from '../print.ts'

/** Removes tokens by id or by value. Goes on after one that is not there; then the exit status is 1. */
export const tokensRm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 tokens rm abcdefghij', 'by id, as tokens ls shows it'],
    ['$0 tokens rm abcdefghij klmnopqrst', 'several at once'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    if (positionals.length === 0) throw new UsageError("which token? give its id, as 'musterctl tokens ls' shows it")
    const { tokens } = await cluster()
    const removed: string[] = []
    const missing: string[] = []
    for (const [i, idOrValue] of positionals.entries()) {
      try {
        const { token } = await tokens.revokeToken({ idOrValue })
        removed.push(token?.id ?? '')
      } catch (error) {
        if (!(error instanceof CallError && error.error.kind === 'notFound')) throw error
        missing.push(nameOf(idOrValue, i))
      }
    }
    await print(
      io,
      format,
      removed.map((id) => ({ id, deleted: true })),
      () => {
        removed.forEach((id) => io.stdout.write(`Token ${id} has been deleted\n`))
      },
    )
    if (missing.length > 0) {
      throw new CliError(`no such token: ${missing.join(', ')}`, "'musterctl tokens ls' shows those there are.")
    }
  },
})

const LEAST_TOKEN_CHARACTERS = 16

/** How to speak of a token without repeating what may be its secret. */
function nameOf(idOrValue: string, index: number): string {
  if (isTokenId(idOrValue)) return idOrValue
  // Too short for any token, so it is a slip of the fingers.
  if (idOrValue.length < LEAST_TOKEN_CHARACTERS) return printable(idOrValue)
  return tokenIdOf(idOrValue) ?? `argument ${index + 1} (not shown, since it may be a secret)`
}

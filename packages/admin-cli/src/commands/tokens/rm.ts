import { UsageError } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { isTokenId, printable, tokenIdOf } from '@muster/domain'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { removeEach, reportRemoval } from '../../cluster/removal.ts'

/** Removes tokens by id, name or value. Goes on after one that is refused; then the exit status is 1. */
export const tokensRm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 tokens rm abcdefghij', 'by id, as tokens ls shows it'],
    ['$0 tokens rm abcdefghij klmnopqrst', 'several at once'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    if (positionals.length === 0) throw new UsageError("which token? give its id, as 'musterctl tokens ls' shows it")
    const { tokens } = await cluster()
    const removal = await removeEach(
      positionals,
      async (idOrValue) => (await tokens.revokeToken({ idOrValue })).token?.id ?? '',
      nameOf,
    )
    const data = removal.removed.map((id) => ({ id, deleted: true }))
    await print(io, format, data, () => {
      removal.removed.forEach((id) => io.stdout.write(`Token ${id} is removed\n`))
    })
    return reportRemoval(io, removal)
  },
})

const LEAST_TOKEN_CHARACTERS = 16

/** How to speak of a token without repeating what may be its secret. */
function nameOf(idOrValue: string, index: number): string {
  if (isTokenId(idOrValue)) return idOrValue
  // Too short for any token, so it is a name or a slip of the fingers.
  if (idOrValue.length < LEAST_TOKEN_CHARACTERS) return printable(idOrValue)
  return tokenIdOf(idOrValue) ?? `argument ${index + 1} (not shown, since it may be a secret)`
}

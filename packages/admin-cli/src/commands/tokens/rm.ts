import { UsageError } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { isTokenId, printable, tokenIdOf } from '@muster/domain'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { removeEach, reportRemoval } from '../../cluster/removal.ts'

/** Removes tokens by id, name or value. Continues after a refusal; the exit status is then 1. */
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

/** The name of a token in messages, without its secret. */
function nameOf(idOrValue: string, index: number): string {
  if (isTokenId(idOrValue)) return idOrValue
  // Too short for a token, so it is a name or a typing error.
  if (idOrValue.length < LEAST_TOKEN_CHARACTERS) return printable(idOrValue)
  return tokenIdOf(idOrValue) ?? `argument ${index + 1} (not shown, since it may be a secret)`
}

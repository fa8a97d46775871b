import { print, utcTime } from '@muster/cli-kit/print'
import { durationInWords } from '@muster/domain'
import { asUsage } from '../../documents/as-usage.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { safeText } from '@muster/domain/safe-text'
import { oneToken } from './token-argument.ts'
import { tokenJson } from './json.ts'
import { parseTtl } from '../parse-ttl.ts'

/** Changes the expiry of a live token; the secret stays the same. */
export const tokensExtend = defineCommand({
  options: {
    ttl: {
      type: 'string',
      required: true,
      value: 'DURATION',
      describe: 'How long from now: 30s, 5m, 1h30m, 2d; at most the limit of the cluster, by default 7d',
    },
    format: FORMAT,
  },
  examples: [['$0 tokens extend abcdefghij --ttl=1h', 'expires an hour from now']],
  async run({ ttl, format, positionals }, { io, cluster }) {
    const idOrName = oneToken(positionals)
    const ttlSeconds = asUsage(() => parseTtl(ttl))
    const { tokens } = await cluster()
    const { token: extended } = await tokens.extendToken({ idOrName, ttlSeconds })
    if (extended === undefined) throw new Error('token-service answered without a token')
    await print(io, format, tokenJson(extended), () => {
      const until = extended.expiresAt === undefined ? '' : ` (${utcTime(extended.expiresAt)})`
      io.stdout.write(safeText(`Token ${extended.id} now expires in ${durationInWords(ttlSeconds)}${until}`) + '\n')
    })
  },
})

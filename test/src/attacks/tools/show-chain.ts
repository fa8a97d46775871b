import type { Attack, Tried } from '../attack.ts'
import type { Stage } from '../stage.ts'
import { type ChainOptions, hostileChain } from './chains.ts'
import { openTls } from './dial.ts'
import { repeat } from './repeat.ts'

/** Shows hostile chains at two a second or faster, until the time is up. The server must take none of them for a member's. */
export function showChains({ name, tries }: Pick<Attack, 'name' | 'tries'>, chain: ChainOptions): Attack {
  return { name, tries, counted: ['gate bad-certificates', 'gate barred'], run: (stage) => showUntilOver(stage, chain) }
}

/** A few bad certificates are free. */
const LEAST = 12

async function showUntilOver(stage: Stage, options: ChainOptions): Promise<Tried> {
  const chain = hostileChain(options)
  const show = async () => {
    const socket = await openTls(stage, chain)
    await new Promise((resolve) =>
      socket
        .once('close', resolve)
        .resume()
        .setTimeout(200, () => stage.drop(socket)),
    )
  }
  const { done, failed } = await repeat(stage, 4, show, { least: LEAST })
  return { counts: { shown: done, refused: failed } }
}

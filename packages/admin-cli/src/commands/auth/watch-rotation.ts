import { paint } from '@muster/cli-kit/print'
import type { ca } from '@muster/contracts'
import { systemClock } from '@muster/runtime'
import { safeText } from '@muster/domain/safe-text'
import type { Context } from '../../cli/command.ts'

const LOOK_EVERY_MS = 1_000

/**
 * Prints a line whenever an automatic rotation has moved or more members have confirmed, until it ends or Ctrl-C, which does
 * not stop the rotation. @returns the exit status: 1 if the rotation stopped before its end
 */
export async function watchRotation(type: string, { io, cluster }: Context): Promise<number> {
  const services = await cluster()
  const { signal = new AbortController().signal } = io
  let last = ''
  for (;;) {
    const { rotations } = await services.ca.listRotations({})
    const rotation = rotations.find((found) => found.type === type)
    if (rotation === undefined) return 1
    const line = progressLine(rotation)
    if (line !== last) io.stdout.write(`${safeText(line)}\n`)
    last = line
    if (rotation.phase === 'standby') {
      io.stdout.write(`${paint.green('Done.')} New invitations carry the new pin: ${rotation.pins.join(', ')}\n`)
      return 0
    }
    if (rotation.halted !== '') {
      io.stderr.write(safeText(`musterctl: the rotation stopped: ${rotation.halted}`) + '\n')
      return 1
    }
    try {
      await systemClock.sleep(LOOK_EVERY_MS, signal)
    } catch {
      io.stdout.write(`The rotation goes on by itself; 'musterctl auth status' shows how far it is.\n`)
      return 0
    }
  }
}

function progressLine({ phase, confirmations, unknown }: ca.Rotation): string {
  const counts = confirmations.map(({ kind, confirmed, waiting }) => `${kind} ${confirmed}/${confirmed + waiting}`)
  return [phase, ...counts, ...(unknown === '' ? [] : [unknown])].join('  ')
}

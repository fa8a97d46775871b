import type { TLSSocket } from 'node:tls'
import type { Attack, Tried } from '../attack.ts'
import type { Stage } from '../stage.ts'
import { flood, openFrames } from './frames.ts'
import { repeat } from './repeat.ts'

/** A flood of frames that costs the server something for each. */
export interface Flood extends Pick<Attack, 'name' | 'tries' | 'counted'> {
  /** How many frames each write holds. */
  perWrite: number
  /** Returns the next write on a connection; rounds count from 0. */
  next: (round: number) => Uint8Array
}

const CONNECTIONS = 4

/** Floods four connections at once, and opens another for each that the server ends. */
export function frameFlood({ perWrite, next, ...attack }: Flood): Attack {
  return { ...attack, run: (stage) => run(stage, { perWrite, next }) }
}

async function run(stage: Stage, { perWrite, next }: Pick<Flood, 'perWrite' | 'next'>): Promise<Tried> {
  let frames = 0
  const { done, failed } = await repeat(stage, CONNECTIONS, async () => {
    const socket: TLSSocket = await openFrames(stage)
    frames += perWrite * (await flood(stage, socket, next))
    stage.drop(socket)
  })
  return { counts: { frames, connections: done, refused: failed } }
}

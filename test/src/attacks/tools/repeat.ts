import { setTimeout as delay } from 'node:timers/promises'
import type { Stage } from '../stage.ts'

/** How often something succeeded and failed. */
export interface Count {
  done: number
  failed: number
}

/**
 * Repeats something, this many at a time, until the time of the attack is up, and at least `least` times.
 * Failures are counted.
 */
export function repeat(
  stage: Stage,
  concurrency: number,
  work: (index: number) => Promise<unknown>,
  { least = 0 } = {},
): Promise<Count> {
  return inLanes(stage, concurrency, work, (index) => !stage.isOver || index < least)
}

/** Does something this often, this many at a time, or less often when the server makes it wait. Failures are counted. */
export function times(
  stage: Stage,
  count: number,
  concurrency: number,
  work: (index: number) => Promise<unknown>,
): Promise<Count> {
  return inLanes(stage, Math.min(count, concurrency), work, (index) => index < count)
}

async function inLanes(
  stage: Stage,
  lanes: number,
  work: (index: number) => Promise<unknown>,
  mayStart: (index: number) => boolean,
): Promise<Count> {
  const count: Count = { done: 0, failed: 0 }
  let next = 0
  const late = new AbortController()
  const lane = async () => {
    for (let index = next++; !late.signal.aborted && mayStart(index); index = next++) {
      if (await succeeds(() => work(index))) count.done += 1
      else {
        count.failed += 1
        // A refused source must not spin in this process instead of in the server's.
        await delay(1)
      }
    }
  }
  await Promise.race([
    Promise.all(Array.from({ length: lanes }, lane)),
    untilOver(stage).then(() => delay(stage.graceMs)),
  ])
  late.abort()
  return { ...count }
}

/** Waits until a condition holds or the limit is over. @returns whether it holds */
export async function comesTrue(isTrue: () => boolean, limitMs: number): Promise<boolean> {
  const endsAt = performance.now() + limitMs
  while (!isTrue()) {
    if (performance.now() >= endsAt) return false
    await delay(20)
  }
  return true
}

/** Waits for the end of the attack's time, or for a reason to stop before. */
export async function untilOver(stage: Stage, isDone: () => boolean = () => false): Promise<void> {
  while (!stage.isOver && !isDone()) await delay(20)
}

async function succeeds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch {
    return false
  }
}

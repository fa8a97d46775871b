/**
 * A certificate is not valid now by the clock of this machine. Passes as soon as the clock that is wrong is set, which a
 * machine that has just started often does by itself within seconds. Says nothing about trust. The message names the clock.
 */
export class ClockError extends Error {
  override readonly name = 'ClockError'
}

/** A time in a message about clocks: to the second, in UTC. */
export function clockText(time: Date): string {
  return Number.isNaN(time.getTime()) ? 'an unknown time' : `${time.toISOString().replace('T', ' ').slice(0, 19)} UTC`
}

/** Says that two clocks differ, and what to do. */
export function clocksDiffer(here: Date, cluster: Date): string {
  return `the clock of this machine says ${clockText(here)}, and the clock of the cluster ${clockText(cluster)}; set the clock that is wrong`
}

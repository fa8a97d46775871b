/** The exit statuses of `musterctl`. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const

/** The meaning of each status, as help shows it. */
export const EXIT_MEANINGS: Record<keyof typeof EXIT, string> = {
  done: 'done',
  failed: 'refused or failed',
  usage: 'bad usage',
}

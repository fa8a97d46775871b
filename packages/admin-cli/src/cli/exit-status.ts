/** How `musterctl` says to scripts how it went: done; refused or failed; bad flags, arguments or values of them. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const

import type { ErrorKind } from './kinds.ts'

/**
 * Whether a caller may send the same request again. `never`: it fails again until somebody changes something. `later`: it
 * may succeed after a while; back off. `after-delay`: it may succeed after the delay that the error carries.
 */
export type RetryAdvice = 'never' | 'later' | 'after-delay'

/** The programs that people run, which advise differently after the same error. A login is a case of its own: no identity yet. */
export type ProgramName = 'muster' | 'musterctl' | 'musterctl login'

/** All there is to know about a reason. */
export interface ReasonInfo {
  kind: ErrorKind
  retry: RetryAdvice
  /** One sentence for docs/errors.md. */
  meaning: string
  /**
   * What to do next: a clause without capital and full stop, which fits behind a semicolon. Per program where they differ;
   * a program that is not listed has nothing to add. USER stands for the caller's own
   * name, NAME for the name of what the request is about; a program fills in what it knows.
   */
  next: string | Partial<Record<ProgramName, string>>
}

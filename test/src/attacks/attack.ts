import type { Stage } from './stage.ts'

/** How much each counter of the services rose during an attack: see `readCounters`. */
export type Rise = (counter: string) => number

/** What an attacker saw. */
export interface Tried {
  /** Its counts, such as `{ opened: 2000, closed: 2000 }`. */
  counts: Record<string, number>
  /** Forbidden things that the server allowed, in words; absent when there were none. */
  allowed?: string | undefined
}

/** One attack, as data; `run` does it, in the attacker's process. */
export interface Attack {
  /** For `--only`: a few words with dashes. */
  name: string
  /** What is tried, in words. */
  tries: string
  /** `few-descriptors`: the registration-service that may open 800 files. Default: the one with the usual limits. */
  target?: 'few-descriptors' | 'web-service'
  needs?: readonly ('member' | 'singleUseToken')[]
  /** Counters of which at least one must rise; absent when the services promise no count. */
  counted?: readonly string[]
  /** Forbidden things that the services did, by their counters. */
  allowed?: (rise: Rise) => string | undefined
  run(stage: Stage): Promise<Tried>
}

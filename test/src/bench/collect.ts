import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Memory of this process after full garbage collections, so that two processes can be compared; bytes. */
export interface Collected {
  heapUsed: number
  /** Memory outside the heap that objects hold, buffers among it. TLS state is not counted here, only in `rss`. */
  external: number
  rss: number
}

/** Collects garbage until no more memory is freed, and returns what is left. */
export async function collectGarbage(): Promise<Collected> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let round = 0; round < 3; round++) {
    gc()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heapUsed, external, rss }
}

/** Where progress goes. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean
}

const PAUSE_MS = 100

/**
 * Runs steps under their titles. On a terminal each step has a line that counts the seconds; elsewhere it prints one plain
 * line when it has ended.
 */
export function progressSteps(output: Output) {
  const isLive = output.isTTY === true
  return async <T>(title: string, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1)
    const timer = isLive ? setInterval(() => output.write(`\r\x1b[2K… ${title} ${seconds()} s`), PAUSE_MS) : undefined
    let mark = '✗'
    try {
      const result = await work()
      mark = '✓'
      return result
    } finally {
      clearInterval(timer)
      output.write(`${isLive ? '\r\x1b[2K' : ''}${mark} ${title} (${seconds()} s)\n`)
    }
  }
}

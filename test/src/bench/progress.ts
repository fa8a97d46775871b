import type { Step } from './bench.ts'

const PAUSE_MS = 100

/** Shows each step while it runs: on a terminal a line that counts the seconds, elsewhere a plain line at its end. */
export function stepsTo(output: NodeJS.WriteStream): Step {
  const isLive = output.isTTY
  return async (title, work) => {
    const startedAt = performance.now()
    const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`
    const timer = isLive ? setInterval(() => output.write(`\r\x1b[2K… ${title} ${seconds()}`), PAUSE_MS) : undefined
    let mark = '✗'
    try {
      const result = await work()
      mark = '✓'
      return result
    } finally {
      clearInterval(timer)
      output.write(`${isLive ? '\r\x1b[2K' : ''}${mark} ${title} (${seconds()})\n`)
    }
  }
}

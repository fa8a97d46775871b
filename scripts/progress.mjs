// Runs the long steps of the scripts: one line per step, and a program's output only when it fails.
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/**
 * Runs a program to its end under a progress line. When it fails, prints its output and `onFailure` (what to do next),
 * keeps the output in a file, prints the path of the file, and ends this process with exit code 1.
 */
export async function runStep(title, program, args, { cwd, env = process.env, onFailure }) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'muster-log-'))
  const logFile = path.join(folder, 'output.log')
  const log = openSync(logFile, 'a', 0o600)
  const line = progressLine(title)
  const outcome = await ended(spawn(program, args, { cwd, env, stdio: ['ignore', log, log] }))
  closeSync(log)
  if (outcome === 0) {
    line.done()
    rmSync(folder, { recursive: true, force: true })
    return
  }
  line.failed()
  console.error(`\n${lastLines(readFileSync(logFile, 'utf8'), 60)}`)
  console.error(`\n${title} failed (${describe(outcome)}). ${onFailure}\nThe whole output: ${logFile}`)
  process.exit(1)
}

/** Runs a program on this terminal and resolves to the exit code to pass on: 1 when a signal ended it. */
export async function runVisibly(program, args, options) {
  // A terminal sends Ctrl-C to the child too. The child decides what to do; this process waits for its end.
  const ignore = () => {}
  process.on('SIGINT', ignore)
  const child = spawn(program, args, { stdio: 'inherit', ...options })
  const pass = () => child.kill('SIGTERM')
  process.on('SIGTERM', pass)
  const outcome = await ended(child)
  process.off('SIGINT', ignore)
  process.off('SIGTERM', pass)
  if (outcome instanceof Error) console.error(outcome.message)
  return typeof outcome === 'number' ? outcome : 1
}

/** Resolves to the exit code, the name of the signal that ended the child, or the error that prevented its start. */
export function ended(child) {
  return new Promise((resolve) => {
    child.once('error', resolve)
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
}

function progressLine(title) {
  const startedAt = Date.now()
  const seconds = () => ((Date.now() - startedAt) / 1000).toFixed(1)
  const live = process.stdout.isTTY
  const draw = () => process.stdout.write(`\r\x1b[2K… ${title} ${seconds()} s`)
  if (live) draw()
  // In a file or a pipe, announce only steps that take longer than a second.
  const timer = live ? setInterval(draw, 100) : setTimeout(() => console.log(`… ${title}`), 1000)
  const finish = (mark) => {
    clearInterval(timer)
    console.log(`${live ? '\r\x1b[2K' : ''}${mark} ${title} (${seconds()} s)`)
  }
  return { done: () => finish('✓'), failed: () => finish('✗') }
}

function lastLines(text, count) {
  const lines = text.split('\n').filter((line) => !/^npm warn Unknown .*config/.test(line))
  return lines.join('\n').trimEnd().split('\n').slice(-count).join('\n')
}

function describe(outcome) {
  if (outcome instanceof Error) return outcome.message
  return typeof outcome === 'number' ? `exit code ${outcome}` : outcome
}

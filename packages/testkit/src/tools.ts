import { spawnSync } from 'node:child_process'
import { test } from '@jest/globals'
import { isSet, runsAllTests } from './all-tests.ts'

/**
 * A test that needs something that not every machine has. Where it is missing, a developer sees the test as skipped; CI
 * must have everything, so there the test file fails.
 */
export function testWith(isThere: boolean, what: string): typeof test {
  if (isThere) return test
  if (isSet('CI')) throw new Error(`CI needs ${what} to run every test`)
  return test.skip as typeof test
}

/**
 * As `testWith`, for a test that makes a machine or stores of its own and takes tens of seconds: `npm test` skips it on a
 * developer's machine, and CI runs it.
 */
export function testInCi(isThere: boolean, what: string): typeof test {
  return runsAllTests ? testWith(isThere, what) : (test.skip as typeof test)
}

/** Whether a program can be run with these arguments and succeeds. */
export function canRun(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

/** A test that needs the openssl program, version 3 or newer. */
export const testWithOpenssl: typeof test = testWith(
  /^OpenSSL [3-9]/.test(spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? ''),
  'OpenSSL 3 or newer',
)

/** A test that runs the install script: on Linux, with curl. */
export const testWithCurl: typeof test = testWith(
  process.platform === 'linux' && canRun('curl', '--version'),
  'Linux with curl',
)

/** Gives a file, a folder or a link itself to another user. @throws Error when this process may not */
export function giveTo(uid: number, file: string): void {
  const command = ['chown', '-h', `${uid}:${uid}`, file]
  const [program, ...args] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command]
  const { status, stderr } = spawnSync(program!, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${file} could not be given to user ${uid}: ${stderr}`)
}

/** A test that gives files to another user, which only root can, or sudo without a password. */
export const testWithRoot: typeof test = testWith(
  process.getuid?.() === 0 || canRun('sudo', '-n', 'true'),
  'root, or sudo without a password',
)

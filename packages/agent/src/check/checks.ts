import { AppError } from '@muster/domain'
import { isTrustFailure } from '@muster/rpc'
import { EXIT, exitStatusOf } from '../exit-status.ts'

/** What a check found. */
export interface CheckResult {
  check: string
  result: 'passed' | 'failed' | 'not reached'
  detail: string
  /** The exit status that a failure stands for. */
  status: number
}

/** A check: it returns what is right, or throws what is wrong. */
export type Check = readonly [name: string, run: () => Promise<string>, failureStatus?: number]

/** Runs checks that build on one another: after the first failure the others are not reached. */
export async function runChecks(checks: readonly Check[]): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  let hasFailed = false
  for (const [check, run, failureStatus] of checks) {
    if (hasFailed) {
      results.push({ check, result: 'not reached', detail: '', status: EXIT.ok })
      continue
    }
    try {
      results.push({ check, result: 'passed', detail: await run(), status: EXIT.ok })
    } catch (error) {
      hasFailed = true
      results.push({
        check,
        result: 'failed',
        detail: (error as Error).message,
        status: statusOf(error, failureStatus),
      })
    }
  }
  return results
}

function statusOf(error: unknown, failureStatus: number = EXIT.failed): number {
  if (isTrustFailure(error)) return EXIT.notTrusted
  return error instanceof AppError ? exitStatusOf(error) : failureStatus
}

/** The exit status of all results: of the first failure. */
export function statusOfAll(results: readonly CheckResult[]): number {
  return results.find(({ result }) => result === 'failed')?.status ?? EXIT.ok
}

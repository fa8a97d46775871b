import type { ServiceName } from '@muster/domain'
import { programFile as builtProgram } from '@muster/local-cluster'
import { askOncePerRun } from './once-per-run.ts'

/** A program of ours. */
export type ProgramName = ServiceName | 'muster' | 'musterctl'

const PACKAGES: Partial<Record<ProgramName, string>> = { muster: 'agent', musterctl: 'admin-cli' }

let bundles: Record<string, string> = {}

/** Has the tests of this file run bundles of the programs, which a run makes once: they start in half the time. */
export async function useBundles(): Promise<void> {
  bundles = (await askOncePerRun<Record<string, string>>('programs')) ?? {}
}

/** The file of a program: its bundle once a cluster was started by tests, else the program in its package. */
export function programFile(program: ProgramName): string {
  return bundles[program] ?? builtProgram(program, PACKAGES[program])
}

import { programFile } from '@muster/local-cluster'
import type { Cluster } from './cluster.ts'
import { runTool, type ToolResult } from './tool.ts'

/** Runs `musterctl` as the operator of the cluster. */
export function musterctl({ operatorDir }: Pick<Cluster, 'operatorDir'>, args: readonly string[]): Promise<ToolResult> {
  return runTool(process.execPath, [programFile('musterctl', 'admin-cli'), ...args, '--identity', operatorDir])
}

/** The flags of the `muster start` command that `musterctl tokens add` prints to be pasted. */
export function pastedFlags(text: string): string[] {
  const command = /^muster start((?: \\\n {2}\S+)+)$/m.exec(text)
  if (command === null) throw new Error(`no command to paste in:\n${text}`)
  return command[1]!.split(' \\\n  ').filter((flag) => flag !== '')
}

import { main } from '@muster/admin-cli'
import type { RunningCluster } from './cluster.ts'
import type { ToolResult } from './tool.ts'

/**
 * Runs `musterctl` as the operator of the cluster, in this process: ten times as fast as a process of its own, for tests
 * that look at what many commands print.
 */
export async function musterctlHere(
  { operatorDir }: Pick<RunningCluster, 'operatorDir'>,
  args: readonly string[],
): Promise<ToolResult> {
  const printed = { stdout: '', stderr: '' }
  const output = (name: keyof typeof printed) => ({
    isTTY: false,
    write: (text: string) => ((printed[name] += text), true),
  })
  const io = { stdout: output('stdout'), stderr: output('stderr'), env: {}, cwd: operatorDir }
  const status = await main([...args, '--identity', operatorDir], io)
  return { status, ...printed }
}

import { programFile } from './programs.ts'
import type { RunningCluster } from './cluster.ts'
import { runTool, type ToolOptions, type ToolResult } from './tool.ts'

/** Runs `musterctl` as the operator of the cluster. */
export function musterctl(
  { operatorDir }: Pick<RunningCluster, 'operatorDir'>,
  args: readonly string[],
  options?: ToolOptions,
): Promise<ToolResult> {
  return runTool(process.execPath, [programFile('musterctl'), ...args, '--identity', operatorDir], options)
}

/** The same, but it must succeed and print JSON. @returns the JSON, parsed */
export async function musterctlJson<T>(
  cluster: Pick<RunningCluster, 'operatorDir'>,
  args: readonly string[],
): Promise<T> {
  const { status, stdout, stderr } = await musterctl(cluster, [...args, '--format=json'])
  if (status !== 0) throw new Error(`musterctl ${args.join(' ')}: status ${status}\n${stderr}`)
  return JSON.parse(stdout) as T
}

/** The flags of the command, such as `muster start`, that `musterctl` prints over several lines to be pasted. */
export function pastedFlags(text: string, command = 'muster start'): string[] {
  const pasted = new RegExp(`^${command}((?: \\\\\\n {2}\\S+)+)$`, 'm').exec(text)
  if (pasted === null) throw new Error(`no command to paste in:\n${text}`)
  return pasted[1]!.split(' \\\n  ').filter((flag) => flag !== '')
}

/** An audit event as `musterctl` prints it. */
export interface AuditEvent {
  service: string
  id: string
  action: string
  actor: string
  remote_address: string | null
  outcome: 'ok' | 'refused'
  reason: string | null
  token_id: string | null
  node_id: string | null
  details: Record<string, unknown>
  count: number
}

/** The audit events of all services, newest first. */
export function auditEvents(cluster: RunningCluster, ...filters: string[]): Promise<AuditEvent[]> {
  return musterctlJson<AuditEvent[]>(cluster, ['audit', 'ls', '--limit=10000', ...filters])
}

import type { WebFace } from '@muster/rpc'
import type { Installation } from './installation.ts'
import type { UpgradePlan } from './upgrade-plan.ts'

/** What an upgrade would do, in JSON; a stable interface, documented in docs/cli-output.md. */
export function upgradeJson(
  { from, to, action, serverVersion, minimumAgentVersion }: UpgradePlan,
  { address }: Pick<WebFace, 'address'>,
  { program, scriptFlags }: Installation,
): object {
  return {
    installed_version: from,
    target_version: to,
    action,
    server_version: serverVersion ?? null,
    minimum_agent_version: minimumAgentVersion ?? null,
    web_addr: address,
    program,
    replaceable: scriptFlags !== undefined,
  }
}

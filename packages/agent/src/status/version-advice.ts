import { isOlderVersion, newerBy, parseSemanticVersion } from '@muster/runtime'

/** What the cluster says about versions. */
export interface ClusterVersions {
  /** Of the server that answered. */
  serverVersion?: string | undefined
  /** The oldest agent that the cluster supports. */
  minimumAgentVersion?: string | undefined
}

/** What is wrong with the version of an agent and what to do about it, in sentences; empty if all is well. */
export function versionAdvice(agentVersion: string, cluster: ClusterVersions): string[] {
  const server = semantic(cluster.serverVersion)
  const minimum = semantic(cluster.minimumAgentVersion)
  if (minimum !== undefined && isOlderVersion(agentVersion, minimum)) {
    return [
      `the agent has version ${agentVersion}, and the cluster supports ${minimum} and later; upgrade it: sudo muster upgrade`,
    ]
  }
  if (server !== undefined && newerBy(agentVersion, server) !== 'no') {
    return [
      `the agent has version ${agentVersion}, which is newer than the cluster's ${server}; upgrade the cluster first, then its agents`,
    ]
  }
  return []
}

/**
 * Compares the version of an agent that is about to join with its cluster. An agent may be older than its cluster, and not newer by
 * a major version. @returns both, and the advice. @throws Error if the agent is too new
 */
export function checkVersion(agentVersion: string, cluster: ClusterVersions): string {
  const { serverVersion } = cluster
  if (serverVersion === undefined) return `this machine has ${agentVersion}; the cluster does not tell its version`
  const detail = `this machine has ${agentVersion}, the cluster ${serverVersion}`
  const server = semantic(serverVersion)
  if (server !== undefined && newerBy(agentVersion, server) === 'incompatible') {
    throw new Error(`${detail}; install the version of the cluster`)
  }
  return [detail, ...versionAdvice(agentVersion, cluster)].join('; ')
}

/** A server may have a version of any form. */
function semantic(text = ''): string | undefined {
  try {
    return parseSemanticVersion(text)
  } catch {
    return undefined
  }
}

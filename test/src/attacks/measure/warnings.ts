import { SERVICE_NAMES } from '@muster/domain'
import type { RunningCluster } from '../../harness/cluster.ts'

/** How many lines of the services' logs are warnings or worse so far. */
export async function countWarnings({ serviceLog }: Pick<RunningCluster, 'serviceLog'>): Promise<number> {
  const logs = await Promise.all(SERVICE_NAMES.map((name) => serviceLog(name)))
  return logs.reduce((sum, log) => sum + (log.match(/^\{"level":(?:"(?:warn|error|fatal)"|[4-6]0)/gm)?.length ?? 0), 0)
}

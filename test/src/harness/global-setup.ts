import { startGlobalStores, stopGlobalStores } from '@muster/testkit/stores'
import { offerSharedCluster } from './shared-cluster.ts'

let stopSharedCluster: (() => Promise<void>) | undefined

/** Before all test files: the stores that they share, and the offer of a cluster. */
// oxlint-disable-next-line import/no-default-export -- jest asks for one
export default async function start(): Promise<void> {
  await startGlobalStores()
  stopSharedCluster = await offerSharedCluster()
}

/** After all test files. */
export async function stop(): Promise<void> {
  await stopSharedCluster?.()
  await stopGlobalStores()
}

import { mkdtemp } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { writePrograms } from '@muster/packaging/programs'
import { Lifecycle } from '@muster/runtime'
import { startGlobalStores, stopGlobalStores } from '@muster/testkit/stores'
import { buildPackages, FORMATS } from '../packages/build.ts'
import { offerOncePerRun } from './once-per-run.ts'
import { startSharedCluster } from './shared-cluster.ts'

const life = new Lifecycle()
let endOffer: (() => Promise<void>) | undefined

/** Before all test files: the stores that they share, and the offer of a cluster and of the programs as bundles. */
// oxlint-disable-next-line import/no-default-export -- jest asks for one
export default async function start(): Promise<void> {
  await startGlobalStores()
  endOffer = await offerOncePerRun({
    cluster: () => startSharedCluster(life),
    packages: async () => ({ folder: await buildPackages(FORMATS) }),
    programs: async () => writePrograms(await mkdtemp(path.join(os.tmpdir(), 'muster-programs-'))),
  })
}

/** After all test files. */
export async function stop(): Promise<void> {
  await endOffer?.()
  await life.close()
  await stopGlobalStores()
}

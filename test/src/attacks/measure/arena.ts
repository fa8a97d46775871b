import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { byService, SERVICE_NAMES } from '@muster/domain'
import type { ServiceProcess } from '@muster/local-cluster'
import type { Lifecycle } from '@muster/runtime'
import { startWorker, type Worker } from '../../bench/worker.ts'
import { type Cluster, startCluster } from '../../harness/cluster.ts'
import type { Attack } from '../attack.ts'
import type { AttackerTasks } from '../attacker.ts'
import type { Given } from '../stage.ts'
import { ATTACKED_PACKAGE } from '../tools/web.ts'
import { type Honest, startHonest } from './honest.ts'

const PACKAGE_BYTES = 45 * 1024 * 1024

/** The second registration-service may open so few files. */
const FEW_DESCRIPTORS = 800

/** The time limits of the gate in a quick run, which is to see them pass. */
const QUICK_LIMITS = { MUSTER_GATE_HANDSHAKE_TIMEOUT_MS: '2000', MUSTER_GATE_STRANGER_IDLE_MS: '1000' }

const COLLECTOR = fileURLToPath(new URL('../../../dist/attacks/measure/collect-on-signal.js', import.meta.url))

/** A folder with one package, of no content and the size of a real one. `life` removes it. */
async function makePackages(life: Lifecycle): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-attacked-packages-'))
  life.own('packages', folder, (f) => rm(f, { recursive: true }))
  await writeFile(path.join(folder, 'SHA256SUMS'), `${'0'.repeat(64)}  ${ATTACKED_PACKAGE}\n`)
  await writeFile(path.join(folder, ATTACKED_PACKAGE), '')
  await truncate(path.join(folder, ATTACKED_PACKAGE), PACKAGE_BYTES)
  return folder
}

/** A cluster to attack, and the attacker's process. */
export interface Arena {
  cluster: Cluster
  /** The service that an attack is meant for. */
  targetOf(attack: Attack): ServiceProcess
  /** Honest callers of a registration-service: the target, or the usual one. Those of another replica stop. */
  honestAt(attack: Attack): Promise<Honest>
  attacker(): Worker<AttackerTasks>
  /** Ends the attacker's process; the next use starts another. */
  endAttacker(): Promise<void>
  given(attack: Attack): Promise<Given>
}

/** Starts the arena; `life` ends it. Replica 0 of registration-service has the usual limits, replica 1 few descriptors. web-service has a package. */
export async function startArena(life: Lifecycle, { isQuick }: { isQuick: boolean }): Promise<Arena> {
  const limits: Record<string, string> = isQuick ? QUICK_LIMITS : {}
  const cluster = await startCluster(life, {
    env: {
      ...byService(SERVICE_NAMES, () => limits),
      'registration-service': { ...limits, NODE_OPTIONS: `--import=${COLLECTOR}` },
      'web-service': {
        ...limits,
        NODE_OPTIONS: `--import=${COLLECTOR}`,
        MUSTER_PACKAGES_DIR: await makePackages(life),
      },
    },
    replicas: { 'registration-service': 2, 'web-service': 1 },
    maxOpenFiles: { 'registration-service': [undefined, FEW_DESCRIPTORS] },
  })
  const current: { honest?: Honest; replica?: number } = {}
  life.own('honest callers', current, (c) => c.honest?.stop())
  let attacker: Worker<AttackerTasks> | undefined
  const replicaOf = ({ target }: Attack) => (target === 'few-descriptors' ? 1 : 0)
  const targetOf = (attack: Attack) =>
    attack.target === 'web-service'
      ? cluster.services['web-service'][0]!
      : cluster.services['registration-service'][replicaOf(attack)]!
  const honestAt = async (attack: Attack) => {
    const replica = replicaOf(attack)
    if (current.replica !== replica) {
      await current.honest?.stop()
      current.honest = await startHonest(cluster, replica)
      current.replica = replica
    }
    return current.honest!
  }
  return {
    cluster,
    targetOf,
    honestAt,
    attacker() {
      attacker ??= startWorker<AttackerTasks>('attacks/attacker', life)
      return attacker
    },
    async endAttacker() {
      await attacker?.stop()
      attacker = undefined
    },
    async given(attack) {
      const { needs = [] } = attack
      return {
        address: targetOf(attack).address,
        rootPem: cluster.operator.hostRootsPem,
        ...(needs.includes('member') && { member: await (await honestAt(attack)).joinOne() }),
        ...(needs.includes('singleUseToken') && {
          singleUseToken: (await cluster.operator.makeToken({ maxUses: 1 })).value,
        }),
      }
    },
  }
}

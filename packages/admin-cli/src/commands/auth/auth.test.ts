import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { ca } from '@muster/contracts'
import { refusal } from '@muster/domain'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { NOW } from '../../../test/support/data.ts'

let cluster: TestCluster
let rotations: ca.Rotation[]
let asked: ca.MoveRotationRequest[]
let answers: Routes

/** The part of ca-service that these commands call. */
interface Routes {
  listRotations: () => Promise<ca.ListRotationsResponse>
  moveRotation: (request: ca.MoveRotationRequest) => Promise<ca.MoveRotationResponse>
}

const PINS = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`]
const minutes = (count: number) => new Date(NOW.getTime() + count * 60_000)

function rotation(type: string, change: Partial<ca.Rotation> = {}): ca.Rotation {
  return {
    type,
    phase: 'standby',
    allowedMoves: ['init'],
    revision: 1,
    automatic: false,
    graceEndsAt: undefined,
    halted: '',
    startedAt: undefined,
    movedAt: undefined,
    rotatedAt: undefined,
    pins: [PINS[0]!],
    confirmations: [],
    unconfirmed: [],
    unknown: '',
    ...change,
  }
}

const IN_INIT: Partial<ca.Rotation> = {
  phase: 'init',
  allowedMoves: ['update_clients', 'rollback'],
  startedAt: minutes(-10),
  pins: PINS,
  confirmations: [
    { kind: 'service', confirmed: 4, waiting: 0 },
    { kind: 'node', confirmed: 48, waiting: 2 },
  ],
  unconfirmed: [
    {
      kind: 'node',
      id: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11',
      name: 'laptop-3',
      lastSeenAt: minutes(-125),
      certificateExpiresAt: minutes(300),
      hasBundle: false,
      hasCertificate: true,
      isOnline: false,
    },
  ],
}

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())
beforeEach(() => {
  rotations = [rotation('host'), rotation('user')]
  asked = []
  answers = {
    listRotations: async () => ({ rotations }),
    moveRotation: async (request) => {
      asked.push(request)
      return {
        rotation: rotation(request.type, {
          ...IN_INIT,
          phase: request.phase,
          automatic: request.automaticForSeconds > 0,
        }),
      }
    },
  }
  cluster.answers = { ca: answers }
})

const run = (argv: string[], io: Parameters<TestCluster['run']>[1] = {}) => cluster.run(argv, { now: () => NOW, ...io })

describe('auth status', () => {
  test('auth status shows the phase, both pins, the counts, and who has not confirmed and why', async () => {
    rotations = [rotation('host', IN_INIT), rotation('user', { rotatedAt: minutes(-60) })]
    const { status, stdout } = await run(['auth', 'status'])
    expect(status).toBe(0)
    for (const pin of PINS) expect(stdout).toContain(`CA pin        ${pin}`)
    expect(stdout).toContain('host CA       init: everyone learns to trust the new root; nothing uses it yet')
    expect(stdout).toContain('Nodes         48 of 50 have confirmed')
    expect(stdout).toMatch(
      /node {7}laptop-3 {2}0b7a7c3e\S+ {2}bundle {2}offline, last seen 2h5m ago {2}\S+ \S+ UTC \(in 5h\)/,
    )
    expect(stdout).toContain(
      `by 'musterctl auth rotate --type=host --manual --phase=update_clients or --phase=rollback'`,
    )
    expect(stdout).toContain('user CA       standby: no rotation is in progress')
  })

  test('auth status says that automatic mode stopped and why, and what is not counted', async () => {
    rotations = [rotation('host', { ...IN_INIT, halted: 'the grace period ended', unknown: 'no answer' })]
    const { stdout } = await run(['auth', 'status'])
    expect(stdout).toContain('not by itself any more: the grace period ended')
    expect(stdout).toContain('Not counted   no answer')
  })

  test('auth status prints JSON with stable keys', async () => {
    rotations = [rotation('host', IN_INIT)]
    const { stdout } = await run(['auth', 'status', '--format=json'])
    expect(JSON.parse(stdout)).toMatchObject([
      {
        type: 'host',
        phase: 'init',
        allowed_moves: ['update_clients', 'rollback'],
        automatic: false,
        halted: null,
        rotated_at: null,
        pins: PINS,
        confirmations: [
          { kind: 'service', confirmed: 4, waiting: 0 },
          { kind: 'node', confirmed: 48, waiting: 2 },
        ],
        unconfirmed: [{ kind: 'node', name: 'laptop-3', lacks: ['bundle'], online: false }],
      },
    ])
  })
})

describe('auth rotate', () => {
  test('auth rotate starts a rotation that goes on by itself for the grace period', async () => {
    const { status, stdout } = await run(['auth', 'rotate', '--type=host', '--grace-period=2h'])
    expect([status, asked]).toEqual([
      0,
      [{ type: 'host', phase: 'init', revision: 0, force: false, automaticForSeconds: 7_200, dryRun: false }],
    ])
    expect(stdout).toContain('has started, and goes on by itself')
  })

  test('auth rotate --manual makes one move, and --force leaves members behind', async () => {
    await run(['auth', 'rotate', '--type=user', '--manual', '--phase=update_clients', '--force'])
    expect(asked).toMatchObject([{ type: 'user', phase: 'update_clients', force: true, automaticForSeconds: 0 }])
  })

  test('auth rotate shows an automatic rotation that is in progress, and starts no other', async () => {
    rotations = [rotation('host', { ...IN_INIT, automatic: true, graceEndsAt: minutes(600) })]
    const { status, stdout } = await run(['auth', 'rotate', '--type=host'])
    expect([status, asked]).toEqual([0, []])
    expect(stdout).toContain('The host CA is being rotated already.')
    expect(stdout).toContain('by itself, to update_clients, once everyone has confirmed; it stops in 10h')
  })

  test('auth rotate on a terminal follows the rotation to its end', async () => {
    const steps = ['update_clients', 'update_servers', 'standby']
    answers.listRotations = async () => {
      const shown = rotations
      const [phase] = steps.splice(0, 1)
      rotations = [rotation('host', { ...IN_INIT, automatic: true, phase: phase ?? 'standby' })]
      return { rotations: shown }
    }
    const { status, stdout } = await run(['auth', 'rotate', '--type=host'], {
      stdout: { write() {}, isTTY: true },
    })
    expect(status).toBe(0)
    expect(stdout).toMatch(/update_servers {2}service 4\/4 {2}node 48\/50\n[^]*Done\./)
  })

  test('auth rotate of a rotation that is made by hand says how to go on', async () => {
    rotations = [rotation('host', IN_INIT)]
    const { status, stderr } = await run(['auth', 'rotate', '--type=host'])
    expect(status).toBe(2)
    expect(stderr).toContain('go on with --manual --phase=update_clients or --phase=rollback')
  })

  test('auth rotate prints a refusal with who has not confirmed, and what to do', async () => {
    answers.moveRotation = async () => {
      throw refusal('ROTATION_NOT_CONFIRMED', 'not everyone has confirmed init: 2 node')
    }
    const { status, stderr } = await run(['auth', 'rotate', '--type=host', '--manual', '--phase=update_clients'])
    expect(status).toBe(1)
    expect(stderr).toMatch(/2 node[^]*musterctl auth status[^]*--force/)
  })

  test.each([
    [[], '--type=host'],
    [['--type=host', '--manual'], '--manual needs --phase'],
    [['--type=host', '--phase=init'], '--phase needs --manual'],
    [['--type=host', '--force'], '--force needs --manual'],
    [['--type=host', '--grace-period=soon'], '--grace-period'],
  ])('auth rotate %j is a usage error that names %s', async (flags, named) => {
    const { status, stderr } = await run(['auth', 'rotate', ...flags])
    expect([status, asked]).toEqual([2, []])
    expect(stderr).toContain(named)
  })
})

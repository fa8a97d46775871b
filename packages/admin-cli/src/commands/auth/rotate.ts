import { UsageError } from '@muster/cli-kit'
import { print, styleFor } from '@muster/cli-kit/print'
import type { ca } from '@muster/contracts'
import { parseDuration } from '@muster/domain'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { asUsage } from '../../documents/as-usage.ts'
import { rotationJson } from './json.ts'
import { rotationText } from './rotation-text.ts'
import { watchRotation } from './watch-rotation.ts'

const PHASES = ['init', 'update_clients', 'update_servers', 'standby', 'rollback'] as const

/** Rotates an authority: by itself, or one phase at a time. */
export const authRotate = defineCommand({
  options: {
    type: { type: 'string', choices: ['host', 'user'], describe: 'Which authority: of machines, or of people' },
    manual: { type: 'boolean', describe: 'Make one move, named by --phase, and no other' },
    phase: {
      type: 'string',
      choices: PHASES,
      describe: 'With --manual: the phase to move to; rollback undoes a rotation',
    },
    'grace-period': {
      type: 'string',
      default: '48h',
      describe: 'How long the rotation may wait for members; then it stops and says for whom',
    },
    force: { type: 'boolean', describe: 'With --manual: leave behind the members that have not confirmed' },
    'dry-run': { type: 'boolean', describe: 'Check everything and change nothing' },
    format: FORMAT,
  },
  examples: [
    ['$0 auth rotate --type=host', 'replace the host CA; on a terminal, watch it to its end'],
    ['$0 auth rotate --type=host --dry-run', 'what it would start with'],
    ['$0 auth rotate --type=user --manual --phase=init', 'one step at a time'],
    ['$0 auth rotate --type=host --manual --phase=rollback', 'back to the old authority'],
  ],
  async run(flags, context) {
    const request = parseFlags(flags)
    const { io, now, cluster } = context
    const { ca: authorities } = await cluster()
    const current = (await authorities.listRotations({})).rotations.find(({ type }) => type === request.type)
    const isUnderWay = !flags.manual && current !== undefined && current.phase !== 'standby'
    if (isUnderWay && !current.automatic) throw new UsageError(byHand(current))
    const rotation = isUnderWay ? current : await moved(request, authorities)
    await print(io, flags.format, rotationJson(rotation), () => {
      io.stdout.write(headline(request, isUnderWay))
      io.stdout.write(rotationText(rotation, now(), styleFor(io.stdout, io.env)))
    })
    const follows = !flags.manual && !flags['dry-run'] && flags.format === 'text' && io.stdout.isTTY === true
    return follows ? watchRotation(request.type, context) : 0
  },
})

interface Flags {
  type: string | undefined
  manual: boolean | undefined
  phase: string | undefined
  'grace-period': string
  force: boolean | undefined
  'dry-run': boolean | undefined
}

/** @throws UsageError that says which flag is missing */
function parseFlags(flags: Flags): ca.MoveRotationRequest {
  const { type, manual, phase, force = false, 'dry-run': dryRun = false } = flags
  if (type === undefined) throw new UsageError('which authority? --type=host is of machines, --type=user of people')
  if (manual === true && phase === undefined) throw new UsageError(`--manual needs --phase: ${PHASES.join(', ')}`)
  if (manual !== true && phase !== undefined) throw new UsageError('--phase needs --manual')
  if (manual !== true && force)
    throw new UsageError('--force needs --manual: a rotation that moves on by itself leaves no member behind')
  const automaticForSeconds =
    manual === true ? 0 : asUsage(() => parseDuration(flags['grace-period'], '--grace-period'))
  return { type, phase: phase ?? 'init', revision: 0, force, automaticForSeconds, dryRun }
}

async function moved(request: ca.MoveRotationRequest, authorities: Cluster['ca']): Promise<ca.Rotation> {
  const { rotation } = await authorities.moveRotation(request)
  if (rotation === undefined) throw new Error('ca-service answered without the rotation')
  return rotation
}

function headline({ type, phase, dryRun, automaticForSeconds }: ca.MoveRotationRequest, isUnderWay: boolean): string {
  if (isUnderWay) return `The ${type} CA is being rotated already.\n`
  if (dryRun) return `Dry run: the ${type} CA could move to ${phase} now. Nothing was changed.\n`
  if (automaticForSeconds > 0) {
    return `The rotation of the ${type} CA has started, and goes on by itself. 'musterctl auth status' shows how far it is.\n`
  }
  return `The rotation of the ${type} CA is in ${phase} now.\n`
}

function byHand({ type, phase, allowedMoves }: ca.Rotation): string {
  const moves = allowedMoves.map((move) => `--phase=${move}`).join(' or ')
  return `the ${type} CA is being rotated by hand, and is in ${phase}; go on with --manual ${moves}`
}

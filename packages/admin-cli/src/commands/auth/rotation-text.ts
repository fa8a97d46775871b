import {
  type Column,
  distance,
  facts,
  paint,
  table,
  type TableStyle,
  timeAgo,
  utcTime,
  utcTimeAndDistance,
} from '@muster/cli-kit/print'
import type { ca } from '@muster/contracts'
import { lacks } from './json.ts'

/** What each phase does, for people. */
const MEANING: Readonly<Record<string, string>> = {
  standby: 'no rotation is in progress',
  init: 'everyone learns to trust the new root; nothing uses it yet',
  update_clients: 'nodes, bots and people renew under the new authority',
  update_servers: 'services renew under the new authority',
  rollback: 'everyone renews under the old authority again',
}

/** A rotation for people: where it stands, who has confirmed, and what comes next. */
export function rotationText(rotation: ca.Rotation, now: Date, style: TableStyle): string {
  const { type, phase, pins, confirmations, unconfirmed, unknown } = rotation
  const rows: [string, string][] = [
    [`${type} CA`, `${phase}: ${MEANING[phase] ?? 'a phase of a newer cluster'}`],
    ['Last rotated', rotation.rotatedAt === undefined ? 'never' : utcTime(rotation.rotatedAt)],
    ...(rotation.startedAt === undefined
      ? []
      : [['Started', utcTimeAndDistance(rotation.startedAt, now)] as [string, string]]),
    ...(phase === 'standby' ? [] : [['Goes on', goesOn(rotation, now)] as [string, string]]),
    ...pins.map((pin): [string, string] => [type === 'host' ? 'CA pin' : 'Root', pin]),
    ...confirmations.map(({ kind, confirmed, waiting }): [string, string] => [
      plural(kind),
      `${confirmed} of ${confirmed + waiting} have confirmed`,
    ]),
    ...(unknown === '' ? [] : [['Not counted', unknown] as [string, string]]),
  ]
  const late = unconfirmed.length === 0 ? '' : `\n${table(columns(now), unconfirmed, style)}`
  return facts(rows) + late
}

/** How the rotation goes on. */
function goesOn({ type, allowedMoves, automatic, graceEndsAt, halted }: ca.Rotation, now: Date): string {
  if (automatic) {
    const limit = graceEndsAt === undefined ? '' : `; it stops ${distance(graceEndsAt, now)}`
    return `by itself, to ${allowedMoves[0]}, once everyone has confirmed${limit}`
  }
  const moves = allowedMoves.map((phase) => `--phase=${phase}`).join(' or ')
  const stopped = halted === '' ? '' : `not by itself any more: ${halted}; `
  return `${stopped}by 'musterctl auth rotate --type=${type} --manual ${moves}'`
}

function plural(kind: string): string {
  return kind === 'user' ? 'People' : `${kind.charAt(0).toUpperCase()}${kind.slice(1)}s`
}

function columns(now: Date): Column<ca.UnconfirmedMember>[] {
  return [
    { title: 'Waits for', text: ({ kind, id }) => (kind === 'service' ? id : kind) },
    { title: 'Name', text: ({ name }) => name },
    { title: 'Id', text: ({ kind, id }) => (kind === 'service' ? '' : id), rank: 3 },
    { title: 'Lacks', text: (member) => lacks(member).join(', '), rank: 1 },
    {
      title: 'Why',
      text: (member) => why(member, now),
      paint: (cell, member) => (member.isOnline ? cell : paint.yellow(cell)),
    },
    {
      title: 'Counts until',
      text: ({ certificateExpiresAt: at }) => (at === undefined ? '' : utcTimeAndDistance(at, now)),
      rank: 2,
    },
  ]
}

function why({ kind, isOnline, lastSeenAt }: ca.UnconfirmedMember, now: Date): string {
  if (isOnline) return 'has not followed yet'
  const seen = lastSeenAt === undefined ? 'never seen' : `last seen ${timeAgo(lastSeenAt, now)}`
  return kind === 'node' ? `offline, ${seen}` : seen
}

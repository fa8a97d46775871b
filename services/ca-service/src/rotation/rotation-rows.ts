import type { AuthorityType } from '@muster/domain'
import type { Db } from '@muster/postgres'
import type { Phase } from './rotation-state.ts'

/** A row of `rotations`: where the rotation of a type stands. */
export interface RotationRow {
  type: AuthorityType
  phase: Phase
  activeId: number
  nextId: number | null
  /** Grows with each change of the row; a move names the revision that it starts from. */
  revision: number
  /** Grows when the trusted roots change. The sum over both types is the version of the trust bundle. */
  trustVersion: number
  /** ca-service moves on by itself once every live member has confirmed a phase. */
  isAutomatic: boolean
  /** When automatic mode gives up. */
  graceEndsAt: Date | null
  /** Why automatic mode stopped. */
  halted: string | null
  startedAt: Date | null
  movedAt: Date | null
  /** When the last rotation was completed. A rollback does not count. */
  rotatedAt: Date | null
}

const COLUMNS = `type, phase, active_id::int as "activeId", next_id::int as "nextId", revision,
       trust_version as "trustVersion", is_automatic as "isAutomatic", grace_ends_at as "graceEndsAt", halted,
       started_at as "startedAt", moved_at as "movedAt", rotated_at as "rotatedAt"`

/** The row of a type; undefined before the first start. */
export async function selectRotation(db: Db, type: AuthorityType): Promise<RotationRow | undefined> {
  const { rows } = await db.query(
    `select ${COLUMNS}
       from rotations
      where type = $1`,
    [type],
  )
  return rows[0]
}

/** Creates the row of a type, in standby. */
export async function insertRotation(
  db: Db,
  { type, activeId, trustVersion }: Pick<RotationRow, 'type' | 'activeId' | 'trustVersion'>,
): Promise<RotationRow> {
  const { rows } = await db.query(
    `insert into rotations (type, active_id, trust_version)
     values ($1, $2, $3)
     returning ${COLUMNS}`,
    [type, activeId, trustVersion],
  )
  return rows[0]
}

/** What a move changes. */
export type RotationChange = Omit<RotationRow, 'revision' | 'movedAt'>

/** Changes the row if its revision is still the one given. @returns undefined if another move came first */
export async function updateRotation(
  db: Db,
  revision: number,
  change: RotationChange,
): Promise<RotationRow | undefined> {
  const { rows } = await db.query(
    `update rotations
        set phase = $3,
            active_id = $4,
            next_id = $5,
            trust_version = $6,
            is_automatic = $7,
            grace_ends_at = $8,
            halted = $9,
            started_at = $10,
            rotated_at = $11,
            moved_at = case when phase = $3 then moved_at else now() end,
            revision = revision + 1
      where type = $1
        and revision = $2
     returning ${COLUMNS}`,
    [
      change.type,
      revision,
      change.phase,
      change.activeId,
      change.nextId,
      change.trustVersion,
      change.isAutomatic,
      change.graceEndsAt,
      change.halted,
      change.startedAt,
      change.rotatedAt,
    ],
  )
  return rows[0]
}

/** Tells every replica that what it has loaded of this type is out of date. */
export async function touchRotation(db: Db, type: AuthorityType): Promise<void> {
  await db.query(
    `update rotations
        set revision = revision + 1
      where type = $1`,
    [type],
  )
}

/** The revisions of both types together: one number that changes with every change. */
export async function currentRevision(db: Db): Promise<number> {
  const { rows } = await db.query<{ revision: number }>({
    name: 'current-revision',
    text: 'select coalesce(sum(revision), 0)::int as revision from rotations',
  })
  return rows[0]!.revision
}

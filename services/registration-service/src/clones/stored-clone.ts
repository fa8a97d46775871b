/** A sign that the credentials of a node were copied, as stored. */
export interface StoredClone {
  foundAt: Date
  /** Where the copy was used, or both places. */
  remoteAddresses: string[]
}

/** The columns that `withClone` reads. */
export const CLONE_COLUMNS = `cloned_at as "clonedAt", cloned_from as "clonedFrom"`

/** What a query of CLONE_COLUMNS returns. */
export interface CloneRow {
  clonedAt: Date | null
  clonedFrom: string[] | null
}

/** A row without its columns of the clone, and with the sign in their place. */
export function withClone<R extends CloneRow>({ clonedAt, clonedFrom, ...row }: R) {
  const clone: StoredClone | undefined =
    clonedAt === null ? undefined : { foundAt: clonedAt, remoteAddresses: clonedFrom ?? [] }
  return { ...row, clone }
}

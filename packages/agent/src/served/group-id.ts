import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { UsageError } from '@muster/cli-kit'

/** The id of a group, given by its name or as a number. Asks getent, which knows the groups of a directory service too. @throws UsageError */
export async function groupId(group: string): Promise<number> {
  if (/^\d{1,10}$/.test(group)) return Number(group)
  if (!/^[a-z_][a-z0-9_.-]{0,63}\$?$/i.test(group))
    throw new UsageError('--identity-group: must be the name or the id of a group')
  const entry = await promisify(execFile)('getent', ['group', group]).then(
    ({ stdout }) => stdout,
    // Not every system has getent.
    async () =>
      (await readFile('/etc/group', 'utf8').catch(() => '')).split('\n').find((line) => line.startsWith(`${group}:`)),
  )
  const id = entry?.split(':')[2]
  if (id === undefined || !/^\d+$/.test(id)) throw new UsageError(`--identity-group: there is no group ${group}`)
  return Number(id)
}

import { UsageError } from '@muster/cli-kit'
import { isTokenId, parseMemberName, tokenIdOf } from '@muster/domain'
import type { Cluster } from '../../cluster/cluster.ts'

/** Reads the only argument of a command, a token. @throws UsageError */
export function oneToken(positionals: readonly string[]): string {
  const [given, ...others] = positionals
  if (given === undefined) throw new UsageError("which token? give its id or name, as 'musterctl tokens ls' shows it")
  if (others.length > 0) throw new UsageError('one token at a time')
  return idOrName(given)
}

/** A token's id or name. For a whole generated token it returns the id alone, so the secret is not sent. @throws UsageError */
export function idOrName(given: string): string {
  const id = tokenIdOf(given)
  if (id !== undefined) return id
  try {
    return isTokenId(given) ? given : parseMemberName(given)
  } catch {
    // Do not repeat it: it may be a secret.
    throw new UsageError("that is neither a token id nor a name; 'musterctl tokens ls' shows both")
  }
}

/** The id of a token that is named by id or name. A token that no longer exists has only its id. */
export async function resolveTokenId(given: string, { tokens }: Pick<Cluster, 'tokens'>): Promise<string> {
  if (isTokenId(given)) return given
  return (await tokens.getToken({ idOrName: given })).token?.id ?? ''
}

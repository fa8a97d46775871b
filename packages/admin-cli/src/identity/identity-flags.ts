import { UsageError } from '@muster/cli-kit'

/** The flags that say whose identity to use, as every command has them. */
export interface IdentityFlags {
  identity?: string | undefined
  cluster?: string | undefined
}

/** @throws UsageError if both are given */
export function identityFlags(args: Readonly<Record<string, unknown>>): IdentityFlags {
  const { identity, cluster } = args as IdentityFlags
  if (identity !== undefined && cluster !== undefined) throw new UsageError('--identity contradicts --cluster')
  return { identity, cluster }
}

/** For commands that deal with what `login` has stored and nothing else. @throws UsageError if --identity is given */
export function refuseIdentityFlag(args: Readonly<Record<string, unknown>>): void {
  if ((args as IdentityFlags).identity === undefined) return
  throw new UsageError("--identity: does not go with this command, which deals with what 'musterctl login' keeps")
}

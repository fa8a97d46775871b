import { UsageError } from '@muster/cli-kit'

/** The flags of every command that select the identity. */
export interface IdentityFlags {
  identity?: string | undefined
  cluster?: string | undefined
}

/** Reads the flags that select the identity. @throws UsageError if both are given */
export function identityFlags(args: Readonly<Record<string, unknown>>): IdentityFlags {
  const { identity, cluster } = args as IdentityFlags
  if (identity !== undefined && cluster !== undefined) throw new UsageError('--identity contradicts --cluster')
  return { identity, cluster }
}

/** For commands that work only with what `login` has stored. @throws UsageError if --identity is given */
export function refuseIdentityFlag(args: Readonly<Record<string, unknown>>): void {
  if ((args as IdentityFlags).identity === undefined) return
  throw new UsageError(
    "--identity: not available here, since this command works with what 'musterctl login' has stored",
  )
}

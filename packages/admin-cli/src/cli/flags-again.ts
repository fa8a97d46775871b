import { shellQuote } from '@muster/cli-kit/print'
import type { IdentityFlags } from '../identity/identity-flags.ts'

/** The flags that say whose identity to use, for a command that is shown. */
export function flagsAgain({ identity, cluster }: IdentityFlags): string {
  return [
    ...(identity === undefined ? [] : [` --identity ${shellQuote(identity)}`]),
    ...(cluster === undefined ? [] : [` --cluster ${shellQuote(cluster)}`]),
  ].join('')
}

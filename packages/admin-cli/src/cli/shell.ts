import type { IdentityFlags } from '../identity/identity-flags.ts'

/** A word that a POSIX shell reads as this text; in single quotes only where it needs them. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** The flags that say whose identity to use, for a command that is shown. */
export function flagsAgain({ identity, cluster }: IdentityFlags): string {
  return [
    ...(identity === undefined ? [] : [` --identity ${shellQuote(identity)}`]),
    ...(cluster === undefined ? [] : [` --cluster ${shellQuote(cluster)}`]),
  ].join('')
}

/** The version as dpkg and rpm compare it: a prerelease, `1.0.0-rc.1`, comes before its release. */
export function distributionVersion(version: string): string {
  return version.replaceAll('-', '~')
}

/** What a package is, in one line. */
export const SUMMARY = 'agent and operator tool of a Muster cluster'

/** The same at length, in lines of at most 79 characters. */
export const DESCRIPTION: readonly string[] = [
  'Machines join a Muster cluster with a short-lived token, get a short-lived',
  'identity for mutual TLS, and are on the roll while they live. This package has',
  'muster, which runs on every machine, and musterctl, the tool of operators.',
]

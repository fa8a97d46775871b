import { createHash } from 'node:crypto'
import { messageOf } from '@muster/domain'
import type { WebFace } from '@muster/rpc'

/** A command that installs Muster and joins, or why there is none; undefined if the web face has no packages. */
export type InstallLine = { line: string } | { missing: string } | undefined

/**
 * The command for a machine without Muster. With a certificate of the cluster's own, that machine cannot verify the web
 * face: this reads the script over a connection that the cluster's roots verify, and the command compares its checksum.
 */
export async function installLine(face: WebFace, invitation: string): Promise<InstallLine> {
  const url = `https://${face.address}/install.sh`
  try {
    // Loads gRPC, which the help of the command must not.
    const { askWebFace } = await import('@muster/rpc')
    const { status, body: script, isPublic } = await askWebFace(face, '/install.sh')
    if (status === 404) return undefined
    if (status !== 200) return { missing: `it answered with status ${status}` }
    if (isPublic) return { line: command(`curl -fsS ${url}`, '', invitation) }
    const sum = createHash('sha256').update(script).digest('hex')
    return { line: command(`curl -fsSk ${url}`, ` && echo "${sum}  $f" | sha256sum -c -`, invitation) }
  } catch (error) {
    return { missing: messageOf(error) }
  }
}

/**
 * The invitation is in no process's arguments: the shell hands it over as standard input. A machine without sudo is one
 * where root pastes the command, such as a container.
 */
function command(fetch: string, check: string, invitation: string): string {
  return `f=$(mktemp) && ${fetch} -o "$f"${check} && $(command -v sudo) sh "$f" --invitation-file - <<'END'
${invitation}
END`
}

import type { registration } from '@muster/contracts'
import { AppError, isDnsName, parseNodeId, parseNodeRoles } from '@muster/domain'
import { keyFingerprint } from '@muster/pki'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { mayRenew, recordRenewal, selectNodesById } from './nodes.ts'

/**
 * Issues the calling node a new certificate for the key of its connection. Bound to node id, key and serial: only the
 * last certificate, or the one before it, may renew, so a copy of older credentials is refused. Safe to repeat.
 */
export function renewCertificate({
  pool,
  authority,
}: Deps): UnaryHandler<registration.RenewCertificateRequest, registration.RenewCertificateResponse> {
  return async (_request, context) => {
    const member = memberOf(context.peer)
    const id = parseNodeId(member.name)
    const shownSerial = member.serial
    const [node] = await selectNodesById(pool, [id])
    if (node === undefined) throw unknownNode()
    if (!(await mayRenew(pool, id, shownSerial, keyFingerprint(member.publicKeyDer)))) throw superseded()

    const hostname = node.hostname.toLowerCase()
    const { certificate, trustBundle } = await authority.signHost(
      {
        publicKeyDer: member.publicKeyDer,
        nodeId: id,
        // What the node was admitted as, from its row: a renewal changes nothing.
        roles: parseNodeRoles(node.roles),
        dnsNames: isDnsName(hostname) ? [hostname] : [],
      },
      { parent: context },
    )
    if (certificate?.expiresAt === undefined)
      throw new AppError('internal', 'ca-service answered without a certificate')
    const { serial, expiresAt } = certificate
    const { remoteAddress } = context
    const renewed = await recordRenewal(pool, {
      id,
      actor: member.spiffeId,
      remoteAddress,
      shownSerial,
      serial,
      expiresAt,
    })
    if (!renewed) throw superseded()
    return { certificate, trustBundle }
  }
}

/** The node's certificate is genuine but the roll does not have it: it was removed, or the database was restored from before. */
export function unknownNode(): AppError {
  return new AppError(
    'failedPrecondition',
    'this node is not on the roll; join anew with a fresh data directory and a token',
    {
      reason: 'NODE_UNKNOWN',
    },
  )
}

function superseded(): AppError {
  return new AppError(
    'failedPrecondition',
    'this certificate was renewed already, by another holder of the same credentials; join anew with a fresh data directory',
    { reason: 'CERTIFICATE_SUPERSEDED' },
  )
}

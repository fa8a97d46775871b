import { registration } from '@muster/contracts'
import { anyone, bindService, type BoundService, newcomers, nodes, operators } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { banNode, unbanNode } from '../bans/ban-node.ts'
import { getTrustBundle } from '../entry/get-trust-bundle.ts'
import { heartbeat } from './heartbeat.ts'
import { listNodes } from './roll/list-nodes.ts'
import { recoverCertificate } from '../recovery/recover-certificate.ts'
import { register } from './register.ts'
import { removeNode } from './remove-node.ts'
import { renewCertificate } from './renew-certificate.ts'
import { watchNodes } from './roll/watch-nodes.ts'

/** Every RPC of registration-service: who may call it, and which handler serves it. */
export function registrationService(deps: Deps): BoundService {
  return bindService(registration.RegistrationServiceService, {
    register: { callers: newcomers, handle: register(deps) },
    getTrustBundle: { callers: anyone, handle: getTrustBundle(deps) },
    renewCertificate: { callers: nodes, handle: renewCertificate(deps) },
    recoverCertificate: { callers: newcomers, handle: recoverCertificate(deps) },
    heartbeat: { callers: nodes, handle: heartbeat(deps) },
    removeNode: { callers: operators('operator'), handle: removeNode(deps) },
    banNode: { callers: operators('operator'), handle: banNode(deps) },
    unbanNode: { callers: operators('operator'), handle: unbanNode(deps) },
    listNodes: { callers: operators('viewer'), handle: listNodes(deps) },
    watchNodes: { callers: operators('viewer'), handle: watchNodes(deps) },
  })
}

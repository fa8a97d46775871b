import { ca } from '@muster/contracts'
import { ENROLLING_SERVICES } from '@muster/domain'
import { anyone, bindService, type BoundService, newcomers, operators, services } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { enrollService } from './enroll-service.ts'
import { listAuthorities } from './list-authorities.ts'
import { listRotations } from './list-rotations.ts'
import { moveRotation } from './move-rotation.ts'
import { renewService } from './renew-service.ts'
import { signBot } from './sign-bot.ts'
import { signHost } from './sign-host.ts'
import { signUser } from './sign-user.ts'
import { trustBundle } from './trust-bundle.ts'
import { watchTrustBundle } from './watch-trust-bundle.ts'

/** Every RPC of ca-service: who may call it, and which handler serves it. */
export function caService(deps: Deps): BoundService {
  const { config, authorities } = deps
  return bindService(ca.CaServiceService, {
    enrollService: { callers: newcomers, handle: enrollService(deps) },
    renewService: { callers: services(...ENROLLING_SERVICES), handle: renewService(deps) },
    signHost: { callers: services('registration-service'), handle: signHost(deps) },
    signUser: { callers: services('registration-service'), handle: signUser(deps) },
    signBot: { callers: services('registration-service'), handle: signBot(deps) },
    getTrustBundle: {
      callers: anyone,
      handle: async () => ({ trustBundle: trustBundle(authorities.current, config.MUSTER_CLUSTER_NAME) }),
    },
    watchTrustBundle: { callers: services(...ENROLLING_SERVICES), handle: watchTrustBundle(deps) },
    listAuthorities: { callers: operators('viewer'), handle: listAuthorities(deps) },
    listRotations: { callers: operators('viewer'), handle: listRotations(deps) },
    moveRotation: { callers: operators('admin'), handle: moveRotation(deps) },
  })
}

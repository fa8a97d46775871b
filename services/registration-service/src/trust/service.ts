import { confirmations as contract } from '@muster/contracts'
import { bindService, type BoundService, services } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { countConfirmations } from './count-confirmations.ts'

/** Every RPC about the progress of a rotation: who may call it, and which handler serves it. */
export function confirmationService(deps: Deps): BoundService {
  return bindService(contract.ConfirmationServiceService, {
    countConfirmations: { callers: services('ca-service'), handle: countConfirmations(deps) },
  })
}

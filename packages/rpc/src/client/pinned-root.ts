import { isPinMismatch } from './explain-failure.ts'
import { fetchShownRoot, type PinnedRootOptions } from './shown-root.ts'
import { fetchRootsVouchedFor } from './vouched-roots.ts'

export type { PinnedRootOptions } from './shown-root.ts'

/**
 * Returns the root, PEM, that a server shows, if its key matches a pin. During a rotation a server may show a root that the
 * pins do not name yet or no more: then the roots of the cluster are returned, if the pinned one is among them and vouches
 * for the one that is shown. No secret is sent. The server is not verified yet: connect with these roots as the only ones
 * next, which does it.
 * @throws unavailable if the server cannot be reached; unavailable caused by PinMismatchError if no pin matches, or by
 * WrongServiceError
 */
export async function fetchPinnedRoot(options: PinnedRootOptions): Promise<string> {
  const { pins, service } = options
  try {
    return await fetchShownRoot(options)
  } catch (error) {
    const servesBundle = service === 'registration-service' || service === 'ca-service'
    if (!isPinMismatch(error) || pins === undefined || !servesBundle) throw error
    const vouched = await fetchRootsVouchedFor({ ...options, pins, service }).catch((other: unknown) => {
      // Whatever else goes wrong, the pin does not match.
      throw isPinMismatch(other) ? other : error
    })
    if (vouched === undefined) throw error
    return vouched
  }
}

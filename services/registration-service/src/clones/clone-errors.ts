import { AppError, refusal } from '@muster/domain'

/** The error for the holder of an older certificate than the last one in use. */
export function superseded(): AppError {
  const message = 'a newer certificate of this node is in use, so these credentials are a copy or an old backup'
  return refusal('CERTIFICATE_SUPERSEDED', message)
}

/** The error for a node that counts as cloned, whichever certificate it shows. */
export function cloned(): AppError {
  return refusal('NODE_CLONED', "a copy of this node's credentials was used, so it cannot renew")
}

/** The error for a request with the certificate before the last that may have been under way while the last was first shown. */
export function overtaken(): AppError {
  return new AppError('unavailable', 'a newer certificate of this node has just come into use; try again with it')
}

import { parseSemanticVersion } from '@muster/runtime'

/** A channel that machines ask for the version to run. */
export interface Channel {
  name: string
  version: string
}

const NAME_SHAPE = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/

/** Reads `NAME=VERSION`. @throws Error for any other text */
export function parseChannel(text: string): Channel {
  const [name = '', version = '', ...rest] = text.split('=')
  if (rest.length > 0 || !NAME_SHAPE.test(name)) {
    throw new Error(`${JSON.stringify(text)} is not NAME=VERSION with a name of lower-case letters, digits and -`)
  }
  return { name, version: parseSemanticVersion(version) }
}

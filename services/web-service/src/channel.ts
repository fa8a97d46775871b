/** A channel that machines ask for the version to run. */
export interface Channel {
  name: string
  version: string
}

const VERSION_SHAPE = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/
const NAME_SHAPE = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/

/** Reads a version with or without its `v`. @returns it without. @throws Error for any other text */
export function parseVersion(text: string): string {
  const version = text.replace(/^v/, '')
  if (!VERSION_SHAPE.test(version)) throw new Error(`${JSON.stringify(text)} is not a version such as 1.2.3`)
  return version
}

/** Reads `NAME=VERSION`. @throws Error for any other text */
export function parseChannel(text: string): Channel {
  const [name = '', version = '', ...rest] = text.split('=')
  if (rest.length > 0 || !NAME_SHAPE.test(name)) {
    throw new Error(`${JSON.stringify(text)} is not NAME=VERSION with a name of lower-case letters, digits and -`)
  }
  return { name, version: parseVersion(version) }
}

import { isUtf8 } from 'node:buffer'
import { content, hasTag, malformed, members, node, sequence, tags } from './asn1.ts'
import type { Asn1Node } from './asn1.ts'
import { oids } from './oids.ts'

// Callers validate names. These patterns are the last check before a name is signed.
const spiffeIdPattern = /^spiffe:\/\/[a-z0-9.-]+(?:\/[A-Za-z0-9._-]+)+$/
const dotSegment = /\/\.{1,2}(?:\/|$)/
const nameTextPattern = /^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u

/** True for a SPIFFE id of a workload: lower-case trust domain, non-empty path, at most 2,048 characters. */
export function isSpiffeId(id: string): boolean {
  return id.length <= 2048 && spiffeIdPattern.test(id) && !dotSegment.test(id)
}

/** True for a text allowed in a distinguished name: 1 to 64 characters (RFC 5280 upper bounds), none invisible. */
export function isNameText(text: string): boolean {
  return nameTextPattern.test(text)
}

/** The parts of a distinguished name. */
export interface NameParts {
  organizations?: readonly string[]
  organizationalUnit?: string
  commonName: string
}

/** Builds a distinguished name, one attribute per RDN, in UTF8String. Throws a RangeError that names a part that is not allowed. */
export function buildName({ organizations = [], organizationalUnit, commonName }: NameParts): Asn1Node {
  return sequence(
    ...organizations.map((value) => rdn(oids.organization, value, 'organization')),
    ...(organizationalUnit === undefined
      ? []
      : [rdn(oids.organizationalUnit, organizationalUnit, 'organizational unit')]),
    rdn(oids.commonName, commonName, 'common name'),
  )
}

function rdn(type: Asn1Node, value: string, what: string): Asn1Node {
  if (!isNameText(value)) throw new RangeError(`${what}: 1 to 64 visible characters are needed`)
  return node(tags.set, [sequence(type, node(tags.utf8String, Buffer.from(value, 'utf8')))])
}

/** The values of one attribute type in a distinguished name, in order; to be called inside `reading`. */
export function nameValues(name: Asn1Node, type: Asn1Node): string[] {
  const values: string[] = []
  for (const set of members(name, tags.sequence, 'name')) {
    for (const attribute of members(set, tags.set, 'relative name')) {
      const [attributeType, value, ...rest] = members(attribute, tags.sequence, 'attribute')
      if (value === undefined || rest.length > 0) malformed('attribute expected')
      if (content(attributeType, tags.oid, 'attribute type') === type.value) values.push(text(value))
    }
  }
  return values
}

function text(value: Asn1Node): string {
  const tag = hasTag(value, tags.printableString) ? tags.printableString : tags.utf8String
  const octets = Buffer.from(content(value, tag, 'UTF8String or PrintableString'), 'latin1')
  const decoded = octets.toString('utf8')
  if (!isUtf8(octets) || !isNameText(decoded)) malformed('name of 1 to 64 visible characters expected')
  return decoded
}

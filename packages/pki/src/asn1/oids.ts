import { oid } from './asn1.ts'

/** Object identifiers in use, as nodes: RFC 5280 (names, extensions), RFC 5758 and RFC 8410 (signatures). */
export const oids = {
  commonName: oid('2.5.4.3'),
  organization: oid('2.5.4.10'),
  organizationalUnit: oid('2.5.4.11'),
  subjectKeyIdentifier: oid('2.5.29.14'),
  keyUsage: oid('2.5.29.15'),
  subjectAltName: oid('2.5.29.17'),
  basicConstraints: oid('2.5.29.19'),
  authorityKeyIdentifier: oid('2.5.29.35'),
  extKeyUsage: oid('2.5.29.37'),
  serverAuth: oid('1.3.6.1.5.5.7.3.1'),
  clientAuth: oid('1.3.6.1.5.5.7.3.2'),
  ecdsaWithSha256: oid('1.2.840.10045.4.3.2'),
  ed25519: oid('1.3.101.112'),
}

import {
  chainPem,
  createIssuing,
  createRoot,
  generateKey,
  issueLeaf,
  newSerial,
  pemFromDer,
  privateKeyPem,
  publicKeyDer,
} from '@muster/pki'

/** TLS material of a floor: the same chain of leaf, issuing CA and root, all P-256, as the services have. PEM throughout. */
export interface FloorMaterial {
  clusterName: string
  rootPem: string
  server: { keyPem: string; chainPem: string }
  node: { keyPem: string; chainPem: string }
}

/** Makes an authority of its own for the bare servers, so that a client of ours takes them for a service. */
export function makeFloorMaterial(): FloorMaterial {
  const clusterName = 'floor.internal'
  const dates = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) }
  const root = createRoot({ type: 'host', clusterName, ...dates })
  const issuer = createIssuing({ root, type: 'host', clusterName, ...dates })
  const member = (path: string, name: string, role: string) => {
    const key = generateKey()
    const leaf = issueLeaf({
      issuer,
      publicKeyDer: publicKeyDer(key),
      serial: newSerial(),
      spiffeId: `spiffe://${clusterName}/${path}/${name}`,
      commonName: name,
      roles: [role],
      dnsNames: ['localhost'],
      ...dates,
    })
    return { keyPem: privateKeyPem(key), chainPem: chainPem([leaf, issuer.certificateDer]) }
  }
  return {
    clusterName,
    rootPem: pemFromDer(root.certificateDer),
    server: member('service', 'registration-service', 'auth'),
    node: member('node', 'floor', 'node'),
  }
}

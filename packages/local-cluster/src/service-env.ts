import type { DatabaseUrlFiles, ServiceProgram } from './databases.ts'
import type { SecretFiles } from './secrets.ts'

export interface ServiceEnvOptions {
  clusterName: string
  secrets: SecretFiles
  databaseUrlFiles: DatabaseUrlFiles
  redisUrlFile: string
  dnsNames: readonly string[]
  /** HOST:PORT at which other machines reach registration-service. */
  publicAddress: string
}

/** Where the services of the control plane find each other. */
export interface Peers {
  ca: readonly string[]
  caPins: readonly string[]
  token: readonly string[]
  registration: readonly string[]
}

/** The environment of a service: see its README for each variable. */
export function serviceEnv(
  program: ServiceProgram,
  listenAddress: string,
  { clusterName, secrets, databaseUrlFiles, redisUrlFile, dnsNames, publicAddress }: ServiceEnvOptions,
  peers: Peers,
): Record<string, string> {
  const common = {
    MUSTER_LISTEN_ADDR: listenAddress,
    MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:0',
    MUSTER_DATABASE_URL_FILE: databaseUrlFiles[program],
    MUSTER_TLS_DNS_NAMES: dnsNames.join(','),
  }
  const enrolment = { MUSTER_CA_ADDRS: peers.ca.join(','), MUSTER_CA_PINS: peers.caPins.join(',') }
  switch (program) {
    case 'ca-service':
      return {
        ...common,
        MUSTER_CLUSTER_NAME: clusterName,
        MUSTER_REGISTRATION_ADDRS: peers.registration.join(','),
        MUSTER_KEY_ENCRYPTION_KEY_FILE: secrets.keyEncryptionKey,
        MUSTER_TOKEN_SERVICE_ENROLL_TOKEN_FILE: secrets.enrollTokens['token-service'],
        MUSTER_REGISTRATION_SERVICE_ENROLL_TOKEN_FILE: secrets.enrollTokens['registration-service'],
      }
    case 'token-service':
      return {
        ...common,
        ...enrolment,
        MUSTER_ENROLL_TOKEN_FILE: secrets.enrollTokens[program],
        MUSTER_PEPPER_FILE: secrets.pepper,
        MUSTER_REGISTRATION_ADDRS: peers.registration.join(','),
      }
    case 'registration-service':
      return {
        ...common,
        ...enrolment,
        MUSTER_ENROLL_TOKEN_FILE: secrets.enrollTokens[program],
        MUSTER_TOKEN_ADDRS: peers.token.join(','),
        MUSTER_REDIS_URL_FILE: redisUrlFile,
        MUSTER_PUBLIC_ADDR: publicAddress,
        MUSTER_PUBLIC_TOKEN_ADDR: portOf(peers.token[0]!),
        MUSTER_PUBLIC_CA_ADDR: portOf(peers.ca[0]!),
      }
  }
}

/** `:PORT`: people reach it on the host that they reached registration-service on. */
function portOf(address: string): string {
  return `:${address.split(':').at(-1)}`
}

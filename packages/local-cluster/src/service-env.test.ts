import { describe, expect, test } from '@jest/globals'
import { serviceEnv, type Peers, type ServiceEnvOptions } from './service-env.ts'

const OPTIONS: ServiceEnvOptions = {
  clusterName: 'muster.internal',
  secrets: {
    folder: '/s',
    pepper: '/s/pepper',
    keyEncryptionKey: '/s/kek',
    enrollTokens: {
      'token-service': '/s/enrol-token',
      'registration-service': '/s/enrol-registration',
      'web-service': '/s/enrol-web',
    },
  },
  databaseUrlFiles: { 'token-service': '/s/db-token', 'ca-service': '/s/db-ca', 'registration-service': '/s/db-reg' },
  redisUrlFile: '/s/redis-url',
  dnsNames: ['localhost', 'host'],
  publicAddress: '10.0.0.1:3025',
  webAddress: '10.0.0.1:3080',
}
const PEERS: Peers = {
  addresses: {
    'token-service': ['127.0.0.1:3026', '127.0.0.1:4026'],
    'ca-service': ['127.0.0.1:3027'],
    'registration-service': ['127.0.0.1:3025'],
  },
  caPins: ['sha256:a', 'sha256:b'],
}
const LISTENER = {
  MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:0',
  MUSTER_LISTEN_ADDR: '127.0.0.1:1',
  MUSTER_TLS_DNS_NAMES: 'localhost,host',
}
const AUTHORITY = { MUSTER_CA_ADDRS: '127.0.0.1:3027', MUSTER_CA_PINS: 'sha256:a,sha256:b' }

describe('the environment in a local cluster', () => {
  test('the environment of token-service in a local cluster names its secrets, its database and the services that it calls', () => {
    expect(serviceEnv('token-service', '127.0.0.1:1', OPTIONS, PEERS)).toEqual({
      ...LISTENER,
      ...AUTHORITY,
      MUSTER_DATABASE_URL_FILE: '/s/db-token',
      MUSTER_ENROLL_TOKEN_FILE: '/s/enrol-token',
      MUSTER_PEPPER_FILE: '/s/pepper',
      MUSTER_REGISTRATION_ADDRS: '127.0.0.1:3025',
    })
  })

  test('the environment of ca-service in a local cluster names the cluster and the enrolment token of every service that enrols', () => {
    expect(serviceEnv('ca-service', '127.0.0.1:1', OPTIONS, PEERS)).toEqual({
      ...LISTENER,
      MUSTER_CLUSTER_NAME: 'muster.internal',
      MUSTER_DATABASE_URL_FILE: '/s/db-ca',
      MUSTER_KEY_ENCRYPTION_KEY_FILE: '/s/kek',
      MUSTER_REGISTRATION_ADDRS: '127.0.0.1:3025',
      MUSTER_REGISTRATION_SERVICE_ENROLL_TOKEN_FILE: '/s/enrol-registration',
      MUSTER_TOKEN_SERVICE_ENROLL_TOKEN_FILE: '/s/enrol-token',
      MUSTER_WEB_SERVICE_ENROLL_TOKEN_FILE: '/s/enrol-web',
    })
  })

  test('the environment of web-service in a local cluster says where other machines reach it', () => {
    expect(serviceEnv('web-service', '127.0.0.1:1', OPTIONS, PEERS)).toEqual({
      ...LISTENER,
      ...AUTHORITY,
      MUSTER_ENROLL_TOKEN_FILE: '/s/enrol-web',
      MUSTER_PUBLIC_ADDR: '10.0.0.1:3080',
      MUSTER_PUBLIC_REGISTRATION_ADDR: '10.0.0.1:3025',
    })
  })

  test('the environment of registration-service in a local cluster says where people reach the other services', () => {
    expect(serviceEnv('registration-service', '127.0.0.1:1', OPTIONS, PEERS)).toEqual({
      ...LISTENER,
      ...AUTHORITY,
      MUSTER_DATABASE_URL_FILE: '/s/db-reg',
      MUSTER_ENROLL_TOKEN_FILE: '/s/enrol-registration',
      MUSTER_PUBLIC_ADDR: '10.0.0.1:3025',
      MUSTER_PUBLIC_CA_ADDR: ':3027',
      MUSTER_PUBLIC_TOKEN_ADDR: ':3026',
      MUSTER_PUBLIC_WEB_ADDR: '10.0.0.1:3080',
      MUSTER_REDIS_URL_FILE: '/s/redis-url',
      MUSTER_TOKEN_ADDRS: '127.0.0.1:3026,127.0.0.1:4026',
    })
  })
})

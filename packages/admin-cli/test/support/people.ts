import type { Io } from '@muster/cli-kit'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { users } from '@muster/contracts'
import { CERTIFICATE_BACKDATE_MS } from '@muster/domain'
import { chainPem, parseCsr, privateKeyFromPem, publicKeyDer } from '@muster/pki'
import { memberOf } from '@muster/rpc'
import { IDENTITY_FILES } from '@muster/identity'
import { runCli, type Answers, type Ran, type TestCluster } from './cluster.ts'

export const SIGNUP_TOKEN = 'mtk_signup2222_klmnopqrstuvwxyz234567abcdefghij'

export const HOUR_MS = 3_600_000

/** The next grant of registration-service. */
export interface Hand {
  roles: string[]
  /** Of the certificate, from when it is made, backdating aside. */
  agedMs: number
  livesMs: number
  sessionExpiresAt: Date
  addresses: users.OperatorAddresses
}

type UserAnswers = NonNullable<Answers['users']>

/** A registration-service that signs up and renews every caller, and a home folder to log in from. */
export interface TestPeople {
  home: string
  hand: Hand
  signups: users.SignupRequest[]
  renewals: number
  /** A test may replace answers. */
  answers: { -readonly [M in keyof UserAnswers]: UserAnswers[M] }
  login(options?: { user?: string; io?: Partial<Io>; flags?: readonly string[] }): Promise<Ran>
  /** Replaces the certificate of the login by one with this end. */
  endCertificate(notAfter: Date): Promise<void>
  /** Runs a command in the home folder. */
  run(argv: readonly string[], io?: Partial<Io>): Promise<Ran>
  close(): Promise<void>
}

export async function startPeople(cluster: TestCluster): Promise<TestPeople> {
  const base = await mkdtemp(path.join(os.tmpdir(), 'musterctl-people-'))
  const home = path.join(base, 'home')
  await mkdir(home)
  const sign = (name: string, publicKeyDer: Buffer): users.SignupResponse => {
    const { roles, agedMs, livesMs, sessionExpiresAt, addresses } = people.hand
    const issuedAt = Date.now() - agedMs
    const notAfter = new Date(Math.min(issuedAt + livesMs, sessionExpiresAt.getTime()))
    const notBefore = new Date(issuedAt - CERTIFICATE_BACKDATE_MS)
    const { leafDer, serial } = cluster.pki.certify({ kind: 'user', name, roles, publicKeyDer, notBefore, notAfter })
    const { host, user } = cluster.pki.authorities
    return {
      certificate: { chainDer: [leafDer, user.issuing.certificateDer], serial, expiresAt: notAfter },
      trustBundle: {
        version: 1,
        clusterName: cluster.pki.clusterName,
        hostRootsDer: [host.root.certificateDer],
        userRootsDer: [user.root.certificateDer],
      },
      sessionExpiresAt,
      addresses,
    }
  }
  const { token, ca, registration } = cluster.addresses
  const people: TestPeople = {
    home,
    hand: {
      roles: ['operator'],
      agedMs: 0,
      livesMs: 12 * HOUR_MS,
      // Certificates have whole seconds.
      sessionExpiresAt: new Date(Math.floor(Date.now() / 1000) * 1000 + 30 * 24 * HOUR_MS),
      addresses: { registrationService: '', tokenService: `:${token.split(':')[1]}`, caService: ca, webService: '' },
    },
    signups: [],
    renewals: 0,
    answers: {
      signup: async (request) => {
        people.signups.push(request)
        return sign(request.userName, parseCsr(request.csrDer).publicKeyDer)
      },
      renewUser: async (_request, { peer }) => {
        people.renewals += 1
        const { name, publicKeyDer } = memberOf(peer)
        return sign(name, publicKeyDer)
      },
    },
    run: (argv, io = {}) => runCli(argv, { cwd: home, env: { HOME: home }, ...io }),
    login: ({ user = 'ada', io = {}, flags = [] } = {}) =>
      people.run(
        [
          'login',
          `--auth-server=${registration}`,
          `--ca-pin=${cluster.pin}`,
          `--user=${user}`,
          `--token=${SIGNUP_TOKEN}`,
          ...flags,
        ],
        io,
      ),
    async endCertificate(notAfter) {
      const { clusterName, authorities } = cluster.pki
      const folder = path.join(home, '.muster', 'clusters', clusterName)
      const { name } = JSON.parse((await people.run(['whoami', '--format=json'])).stdout) as { name: string }
      const { leafDer } = cluster.pki.certify({
        kind: 'user',
        name,
        roles: people.hand.roles,
        publicKeyDer: publicKeyDer(privateKeyFromPem(await readFile(path.join(folder, IDENTITY_FILES.key), 'utf8'))),
        notBefore: new Date(notAfter.getTime() - 12 * HOUR_MS - CERTIFICATE_BACKDATE_MS),
        notAfter,
      })
      const chain = chainPem([leafDer, authorities.user.issuing.certificateDer])
      await writeFile(path.join(folder, IDENTITY_FILES.chain), chain)
    },
    close: () => rm(base, { recursive: true }),
  }
  cluster.answers.users = people.answers
  cluster.answers.registration = {
    ...cluster.answers.registration,
    getTrustBundle: async () => ({
      trustBundle: sign('nobody', cluster.pki.user('x', 'viewer').publicKeyDer).trustBundle,
    }),
  }
  return people
}

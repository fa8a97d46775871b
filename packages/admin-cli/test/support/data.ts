import { audit, bots, registration, token, users } from '@muster/contracts'

/** The time at which the commands of a test run. */
export const NOW = new Date('2026-11-22T18:10:21Z')

/** The secret of `aToken`. */
export const SECRET = 'mtk_abcdefghij_klmnopqrstuvwxyz234567abcdefghij'

export const aToken: token.Token = {
  id: 'abcdefghij',
  roles: ['node'],
  labels: {},
  description: '',
  botName: '',
  createdBy: 'spiffe://muster.internal/user/alice',
  createdAt: NOW,
  expiresAt: new Date('2026-11-22T18:15:00Z'),
  maxUses: undefined,
  uses: 0,
  type: token.TokenType.JOIN,
  state: token.TokenState.LIVE,
  name: '',
  userName: '',
  restrictions: undefined,
  nodeLabels: {},
  revokedAt: undefined,
}

export const aStaticToken: token.Token = {
  ...aToken,
  id: 'static2222',
  type: token.TokenType.STATIC,
  createdBy: '/etc/muster/token-service.yaml:3',
  expiresAt: undefined,
}

export const aSignupToken: token.Token = {
  ...aToken,
  id: 'signup2222',
  type: token.TokenType.SIGNUP,
  roles: [],
  userName: 'bob',
  maxUses: 1,
}

export const aNode: registration.Node = {
  id: '6805dda3-779e-493b-8a6b-0d9a3f2f7e11',
  hostname: 'web-01',
  roles: ['node'],
  labels: { env: 'prod', team: 'web' },
  version: '0.1.0',
  advertisedAddress: '10.0.0.7:22',
  remoteAddress: '192.0.2.7',
  status: registration.NodeStatus.ONLINE,
  joinedAt: new Date('2026-11-20T08:00:00Z'),
  lastSeenAt: new Date('2026-11-22T18:10:17Z'),
  tokenId: 'abcdefghij',
  certificateExpiresAt: new Date('2026-11-23T08:00:00Z'),
  os: 'linux x64 6.1.0',
  outdated: false,
  ban: undefined,
  clone: undefined,
}

export const aBot: bots.Bot = {
  id: '1f0a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e13',
  name: 'ci',
  state: bots.BotState.ACTIVE,
  generation: 3,
  hostname: 'build-7',
  remoteAddress: '192.0.2.8',
  tokenId: 'bot2222222',
  joinedAt: new Date('2026-11-22T16:00:00Z'),
  renewedAt: new Date('2026-11-22T18:00:00Z'),
  certificateExpiresAt: new Date('2026-11-22T19:00:00Z'),
  lockedAt: undefined,
  lockedFrom: '',
  ban: undefined,
}

/** The event of a signup by `aSignupToken`. */
export const aSignup: audit.AuditEvent = {
  id: '1',
  service: 'registration-service',
  at: new Date('2026-11-22T18:00:00Z'),
  action: 'user.signup',
  actor: 'anonymous',
  remoteAddress: '192.0.2.9',
  outcome: audit.Outcome.OK,
  reason: '',
  tokenId: 'signup2222',
  nodeId: '',
  detailsJson: '{}',
  count: 1,
  lastAt: undefined,
}

export const aUser: users.User = {
  name: 'ada',
  roles: ['operator', 'viewer'],
  state: users.UserState.ACTIVE,
  createdBy: 'spiffe://muster.internal/user/alice',
  createdAt: new Date('2026-11-01T08:00:00Z'),
  signedUpAt: new Date('2026-11-01T09:00:00Z'),
  lastSeenAt: new Date('2026-11-22T18:08:21Z'),
  sessionExpiresAt: new Date('2026-12-01T09:00:00Z'),
  certificateExpiresAt: new Date('2026-11-23T02:00:00Z'),
  lock: undefined,
}

// Deliberate faults in the agent and in what it stores.
const agent = 'packages/agent/src'
const identity = 'packages/identity/src'

export const mutants = [
  {
    name: 'an internal fault of the server ends the agent at renewal',
    file: `${identity}/retry-policy.ts`,
    find: ` && error.kind !== 'internal'`,
    replace: ``,
    tests: ['agent/src/run', 'identity/src/retry-policy'],
  },
  {
    name: 'the profile is written before bundle, chain and key',
    file: `${identity}/identity-folder.ts`,
    find: `  await writeFileAtomic(fileOf(folder, 'bundle'), identity.bundlePem, 0o644)\n`,
    replace: `  await writeFileAtomic(fileOf(folder, 'profile'), JSON.stringify(identity.profile), 0o644)
  await writeFileAtomic(fileOf(folder, 'bundle'), identity.bundlePem, 0o644)\n`,
    tests: ['identity/src/identity-folder'],
  },
  {
    name: 'the next key replaces the key though the certificate is for the old one',
    file: `${identity}/identity-folder.ts`,
    find: `if (!new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(nextKeyPem))) return`,
    replace: `if (nextKeyPem === '') return`,
    tests: ['identity/src/identity-folder', 'agent/src/run/bot'],
  },
  {
    name: 'a grant for another cluster is stored',
    file: `${identity}/grant.ts`,
    find: `if (clusterName !== (request.clusterName ?? clusterName)) throw`,
    replace: `if (clusterName === '') throw`,
    tests: ['identity/src/grant', 'agent/src/join/node-identity'],
  },
  {
    name: 'a grant that no root vouches for is stored',
    file: `${identity}/grant.ts`,
    find: `if (identity === undefined) {`,
    replace: `if (identity === null) {`,
    tests: ['identity/src/grant'],
  },
  {
    name: 'the roots in a grant vouch for people by the host authority',
    file: `${identity}/grant.ts`,
    find: `AUTHORITY_OF[kind] === 'host'`,
    replace: `AUTHORITY_OF[kind] !== undefined`,
    tests: ['identity/src/grant'],
  },
  {
    name: 'renewal begins when the certificate has ended',
    file: `${identity}/renewal.ts`,
    find: `lifeMs * (0.5 + 0.3 * random())`,
    replace: `lifeMs * (1.5 + 0.3 * random())`,
    tests: ['identity/src/renewal'],
  },
  {
    name: 'an urgent renewal waits until it is due',
    file: `${identity}/renewal.ts`,
    find: ` && !isUrgent()`,
    replace: ``,
    tests: ['identity/src/renewal', 'agent/src/run/renew'],
  },
  {
    name: 'a refused renewal is tried again',
    file: `${identity}/renewal.ts`,
    find: `isTransient: (error) => !isFinal(error),
        baseDelayMs`,
    replace: `isTransient: () => true,
        baseDelayMs`,
    tests: ['identity/src/renewal', 'agent/src/run/renew'],
  },
  {
    name: 'a renewal goes on with the old certificate until a restart',
    file: `${agent}/run/renew.ts`,
    find: `      tls.update(tlsMaterial(identity))\n`,
    replace: ``,
    tests: ['agent/src/run/renew', 'agent/src/run/bot'],
  },
  {
    name: 'a server that answers no beat is not left',
    file: `${agent}/run/heartbeat.ts`,
    find: `clock.now().getTime() - lastAnswerAt > settings.offlineAfterMs`,
    replace: `clock.now().getTime() - lastAnswerAt > 1e12`,
    tests: ['agent/src/run/heartbeat'],
  },
  {
    name: 'a heartbeat that is refused is tried again',
    file: `${agent}/run/heartbeat.ts`,
    find: `if (isRefused(error)) throw error`,
    replace: `if (error === null) throw error`,
    tests: ['agent/src/run/heartbeat'],
  },
  {
    name: 'beats come late by up to a fifth',
    file: `${agent}/run/heartbeat.ts`,
    find: `(0.8 + 0.2 * Math.random())`,
    replace: `(1.01 + 0.2 * Math.random())`,
    tests: ['agent/src/run/heartbeat'],
  },
  {
    name: 'a bot accepts the identity of a node',
    file: `${agent}/join/node-identity.ts`,
    find: `if (roles.includes('bot') !== (botName !== undefined)) {`,
    replace: `if (roles.length === 0) {`,
    tests: ['agent/src/join/node-identity'],
  },
  {
    name: 'a failure of trust ends with the status of an unreachable server',
    file: `${agent}/exit-status.ts`,
    find: `if (error instanceof NotTrustedError) return EXIT.notTrusted`,
    replace: `if (error instanceof NotTrustedError) return EXIT.unreachable`,
    tests: ['agent/src/exit-status'],
  },
]

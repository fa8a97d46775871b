// Deliberate faults in the spend of a token, on the roll of people and nodes, and in the audit.
const spends = ['token-service/src/store/spend']

export const mutants = [
  {
    name: 'a spend does not check the type of the token',
    folder: 'services/token-service/src',
    find: `right_type and not revoked and role_allowed and restriction is null as admits`,
    replace: `not revoked and role_allowed and restriction is null as admits`,
    tests: ['token-service/src/store/spend.test'],
  },
  {
    name: 'a spend does not check whether the token was revoked',
    folder: 'services/token-service/src',
    find: `right_type and not revoked and role_allowed and restriction is null as admits`,
    replace: `right_type and role_allowed and restriction is null as admits`,
    tests: spends,
  },
  {
    name: 'a spend does not check whether the token has expired',
    folder: 'services/token-service/src',
    find: `expired or max_uses is not null and uses >= max_uses as ended`,
    replace: `max_uses is not null and uses >= max_uses as ended`,
    tests: spends,
  },
  {
    name: 'a spend does not check the roles',
    folder: 'services/token-service/src',
    find: `right_type and not revoked and role_allowed and restriction is null as admits`,
    replace: `right_type and not revoked and restriction is null as admits`,
    tests: spends,
  },
  {
    name: 'a spend does not check the restrictions',
    folder: 'services/token-service/src',
    find: `right_type and not revoked and role_allowed and restriction is null as admits`,
    replace: `right_type and not revoked and role_allowed as admits`,
    tests: spends,
  },
  {
    name: 'a spend is not counted',
    folder: 'services/token-service/src',
    find: `set uses = tokens.uses + 1`,
    replace: `set uses = tokens.uses`,
    tests: spends,
  },
  {
    name: 'a spend that was repeated by its key is counted again',
    folder: 'services/token-service/src',
    find: `
       and spent.node_id = $4)`,
    replace: `)`,
    tests: spends,
  },
  {
    name: 'asking again prolongs the time in which a key may repeat its spend',
    folder: 'services/token-service/src',
    find: `do update set repeats_paid_until =`,
    replace: `do update set spent_at = now(), repeats_paid_until =`,
    tests: spends,
  },
  {
    name: 'a key may repeat its spend for ever after the token has ended',
    folder: 'services/token-service/src',
    find: `       and spends.\${IN_RETRY_WINDOW}\n`,
    replace: ``,
    tests: spends,
  },
  {
    name: 'a wildcard of LIKE is one in a host name pattern too',
    folder: 'packages/postgres/src',
    find: "regexp_replace(${glob}, '([\\\\%_])', '\\\\\\1', 'g')",
    replace: '${glob}',
    tests: spends,
  },
  {
    name: 'admins are removed without the lock of the admins',
    folder: 'services/registration-service/src',
    find: `        await lockAdmins(db)
        const user = await deleteUser(db, name)`,
    replace: `        const user = await deleteUser(db, name)`,
    tests: ['registration-service/src/users/manage-users'],
  },
  {
    name: 'the last admin can be removed',
    folder: 'services/registration-service/src',
    find: `      where name = $1
        and \${NOT_THE_LAST_ADMIN}
     returning`,
    replace: `      where name = $1
     returning`,
    tests: ['registration-service/src/users'],
  },
  {
    name: 'an ended heartbeat stays in the list of open streams',
    folder: 'services/registration-service/src',
    find: `        leave()
        watched.leave()`,
    replace: `        watched.leave()`,
    tests: ['registration-service/src/nodes/heartbeat.test'],
  },
  {
    name: 'the share of audit rows of a stranger is never given back',
    folder: 'packages/audit/src',
    find: `if (tally.stranger !== undefined) {
      const left`,
    replace: `if (tally.stranger === 'nobody') {
      const left`,
    tests: ['audit/src/refusals'],
  },
  {
    name: 'one stranger may fill the audit',
    folder: 'packages/audit/src',
    find: `const MAX_OPEN_ROWS_OF_STRANGER = 20`,
    replace: `const MAX_OPEN_ROWS_OF_STRANGER = 20_000`,
    tests: ['audit/src/refusals'],
  },
  {
    name: 'a file that SHA256SUMS does not name is served',
    folder: 'services/web-service/src',
    find: `if (listed === undefined && name !== SUMS_FILE) return undefined`,
    replace: ``,
    tests: ['web-service/src/packages'],
  },
  {
    name: 'a link in the folder of packages is followed',
    folder: 'services/web-service/src',
    find: `constants.O_RDONLY | constants.O_NOFOLLOW`,
    replace: `constants.O_RDONLY`,
    tests: ['web-service/src/packages'],
  },
  {
    name: 'an optional service without a token enrols by an empty one',
    folder: 'services/ca-service/src',
    find: `expected === '' || `,
    replace: ``,
    tests: ['ca-service/src/issuing'],
  },
  {
    name: 'after a time without Redis, nodes that beat are called offline',
    folder: 'services/registration-service/src',
    find: "'NX', 'PX', ${holdMs}) then redis.call('PEXPIRE', ${epoch}, ${holdMs}) end",
    replace: "'NX') then redis.call('GET', ${epoch}) end",
    tests: ['registration-service/src/presence/presence.test'],
  },
  {
    name: 'in a cluster of Redis, keys are in many slots',
    folder: 'services/registration-service/src',
    find: '`muster:{${clusterName}}:`',
    replace: '`muster:${clusterName}:`',
    tests: ['registration-service/src/presence'],
  },
  {
    name: 'a database that takes no writes is used',
    folder: 'packages/postgres/src',
    find: `if (rows[0]?.transaction_read_only !== 'off')`,
    replace: `if (rows[0]?.transaction_read_only === 'never')`,
    tests: ['postgres/src/several-hosts'],
  },
  {
    name: 'a database that was lost is asked for ever',
    folder: 'packages/postgres/src',
    find: `if (this.#known === url) this.#known = undefined`,
    replace: ``,
    tests: ['postgres/src/several-hosts'],
  },
  {
    name: 'behind a pooler, a service uses the tables that its role happens to see',
    folder: 'packages/postgres/src',
    find: `if (path.replaceAll('"', '') !== schema)`,
    replace: `if (path === '')`,
    tests: ['postgres/src/several-hosts'],
  },
  {
    name: 'a removed node comes back by an old spend',
    folder: 'services/registration-service/src',
    find: 'where coalesce($12::timestamptz, now()) > now() - ${CREATABLE_FOR}',
    replace: 'where coalesce($12::timestamptz, now()) is not null',
    tests: ['registration-service/src/nodes/store'],
  },
  {
    name: 'a hello leaves the host names that the token allows',
    folder: 'services/registration-service/src',
    find: 'set hostname = case when ${ALLOWED} then $2 else hostname end',
    replace: 'set hostname = case when ${ALLOWED} then $2 else $2 end',
    tests: ['registration-service/src/nodes/store'],
  },
  {
    name: 'no node is marked as outdated',
    folder: 'services/registration-service/src',
    find: `outdated: isOlderVersion(node.version, minimumAgentVersion)`,
    replace: `outdated: false`,
    tests: ['registration-service/src/nodes/heartbeat.test'],
  },
  {
    name: 'a list of older nodes has all of them',
    folder: 'services/registration-service/src',
    find: `hasStatus(node) && isOlder(node)`,
    replace: `hasStatus(node)`,
    tests: ['registration-service/src/nodes/roll/list-nodes'],
  },
]

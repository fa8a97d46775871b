import type { Entry, OptionSet } from '@muster/cli-kit'
import { COMPLETION_ENTRIES, HELP_OPTIONS } from '@muster/cli-kit/standard'
import type { Context } from './cli/command.ts'

/** The groups of commands. */
export const NOUNS: Readonly<Record<string, string>> = {
  tokens: 'Create, list, show, extend and remove tokens',
  nodes: 'List, show and watch the nodes of the cluster; ban and remove them',
  bots: 'List bots, find out which are locked, ban and remove them',
  users: 'Manage who may operate the cluster',
  auth: 'Rotate the authorities, and see how far a rotation is',
  audit: 'Read the audit log: who did what, and what was refused',
  clusters: 'List the clusters that you are logged in to, and choose one',
}

/** The flags of every command. */
export const GLOBAL_OPTIONS = {
  identity: { type: 'string', names: 'file', describe: 'Folder of your identity' },
  cluster: { type: 'string', names: 'cluster', describe: 'Name of a cluster that you are logged in to' },
  verbose: { type: 'boolean', alias: 'v', describe: 'Show more of a failure: gRPC status, reason, service' },
  ...HELP_OPTIONS,
} as const satisfies OptionSet

/** Every command. */
export const COMMANDS: readonly Entry<Context>[] = [
  {
    noun: 'tokens',
    verb: 'add',
    describe: 'Create a join token and print the command that joins a node with it',
    load: async () => (await import('./commands/tokens/add.ts')).tokensAdd,
  },
  {
    noun: 'tokens',
    verb: 'ls',
    describe: 'List tokens without their secrets; by default those that can still admit someone',
    load: async () => (await import('./commands/tokens/ls.ts')).tokensLs,
  },
  {
    noun: 'tokens',
    verb: 'show',
    describe: 'Show a token without its secret, and everyone who joined with it',
    rest: { name: 'TOKEN', describe: 'Token id or name', names: 'token' },
    load: async () => (await import('./commands/tokens/show.ts')).tokensShow,
  },
  {
    noun: 'tokens',
    verb: 'extend',
    describe: 'Change when a token expires',
    rest: { name: 'TOKEN', describe: 'Token id or name', names: 'token' },
    load: async () => (await import('./commands/tokens/extend.ts')).tokensExtend,
  },
  {
    noun: 'tokens',
    verb: 'rm',
    aliases: ['del'],
    describe: 'Remove tokens, so that nobody can join with them',
    rest: { name: 'TOKEN...', describe: 'Token ids, names, or whole tokens', names: 'token' },
    load: async () => (await import('./commands/tokens/rm.ts')).tokensRm,
  },
  {
    noun: 'nodes',
    verb: 'add',
    describe: 'Create a join token; the older spelling of tokens add',
    load: async () => (await import('./commands/nodes/add.ts')).nodesAdd,
  },
  {
    noun: 'nodes',
    verb: 'ls',
    describe: 'List the nodes with their status and the time each was last seen',
    load: async () => (await import('./commands/nodes/ls.ts')).nodesLs,
  },
  {
    noun: 'nodes',
    verb: 'watch',
    describe: 'List the nodes, then print each change, until Ctrl-C',
    load: async () => (await import('./commands/nodes/watch.ts')).nodesWatch,
  },
  {
    noun: 'nodes',
    verb: 'rm',
    aliases: ['del'],
    describe: 'Remove nodes from the cluster; they need a new token to come back',
    rest: { name: 'NODE...', describe: 'Node ids, at least 8 characters of each, or host names', names: 'node' },
    load: async () => (await import('./commands/nodes/rm.ts')).nodesRm,
  },
  {
    noun: 'nodes',
    verb: 'show',
    describe: 'Show all that the cluster knows about a node',
    rest: { name: 'NODE', describe: 'Node id, at least 8 characters of one, or host name', names: 'node' },
    load: async () => (await import('./commands/nodes/show.ts')).nodesShow,
  },
  {
    noun: 'nodes',
    verb: 'ban',
    describe: 'Shut nodes out for a time or until unban; they stay on the roll',
    rest: { name: 'NODE...', describe: 'Node ids, at least 8 characters of each, or host names', names: 'node' },
    load: async () => (await import('./commands/nodes/ban.ts')).nodesBan,
  },
  {
    noun: 'nodes',
    verb: 'unban',
    describe: 'Let banned nodes in again, and forget that a node was cloned',
    rest: { name: 'NODE...', describe: 'Node ids, at least 8 characters of each, or host names', names: 'node' },
    load: async () => (await import('./commands/nodes/unban.ts')).nodesUnban,
  },
  {
    noun: 'bots',
    verb: 'ls',
    describe: 'List the bots, and explain what to do about locked ones',
    load: async () => (await import('./commands/bots/ls.ts')).botsLs,
  },
  {
    noun: 'bots',
    verb: 'rm',
    aliases: ['del'],
    describe: 'Remove bots, so that they can no longer renew',
    rest: {
      name: 'BOT...',
      describe: 'Ids of instances, at least 8 characters of each, or names of bots',
      names: 'bot',
    },
    load: async () => (await import('./commands/bots/rm.ts')).botsRm,
  },
  {
    noun: 'bots',
    verb: 'ban',
    describe: 'Shut bots out for a time or until unban',
    rest: {
      name: 'BOT...',
      describe: 'Ids of instances, at least 8 characters of each, or names of bots',
      names: 'bot',
    },
    load: async () => (await import('./commands/bots/ban.ts')).botsBan,
  },
  {
    noun: 'bots',
    verb: 'unban',
    describe: 'Let banned bots in again',
    rest: {
      name: 'BOT...',
      describe: 'Ids of instances, at least 8 characters of each, or names of bots',
      names: 'bot',
    },
    load: async () => (await import('./commands/bots/unban.ts')).botsUnban,
  },
  {
    noun: 'users',
    verb: 'add',
    describe: 'Add a person and print the command that they sign up with',
    rest: { name: 'NAME', describe: 'Name of the person: a lower-case letter, then a-z, 0-9, . _ -' },
    load: async () => (await import('./commands/users/add.ts')).usersAdd,
  },
  {
    noun: 'users',
    verb: 'ls',
    describe: 'List the people with their roles and the time each was last seen',
    load: async () => (await import('./commands/users/ls.ts')).usersLs,
  },
  {
    noun: 'users',
    verb: 'update',
    describe: 'Replace the roles of a person',
    rest: { name: 'NAME', describe: 'Name of the person', names: 'user' },
    load: async () => (await import('./commands/users/update.ts')).usersUpdate,
  },
  {
    noun: 'users',
    verb: 'reset',
    describe: "End a person's identity and print the command to sign up again",
    rest: { name: 'NAME', describe: 'Name of the person', names: 'user' },
    load: async () => (await import('./commands/users/reset.ts')).usersReset,
  },
  {
    noun: 'users',
    verb: 'lock',
    describe: 'Lock people out for a time or until unlock; every service rejects them at once',
    rest: { name: 'NAME...', describe: 'Names of the people', names: 'user' },
    load: async () => (await import('./commands/users/lock.ts')).usersLock,
  },
  {
    noun: 'users',
    verb: 'unlock',
    describe: 'Let people in again who are locked out',
    rest: { name: 'NAME...', describe: 'Names of the people', names: 'user' },
    load: async () => (await import('./commands/users/unlock.ts')).usersUnlock,
  },
  {
    noun: 'users',
    verb: 'rm',
    aliases: ['del'],
    describe: 'Remove people; every service rejects them at once',
    rest: { name: 'NAME...', describe: 'Names of the people', names: 'user' },
    load: async () => (await import('./commands/users/rm.ts')).usersRm,
  },
  {
    noun: 'auth',
    verb: 'status',
    describe: 'Show the phase of each rotation, the pins, and who has not confirmed',
    load: async () => (await import('./commands/auth/status.ts')).authStatus,
  },
  {
    noun: 'auth',
    verb: 'rotate',
    describe: 'Replace an authority by a new one, without a failed call and without a restart',
    load: async () => (await import('./commands/auth/rotate.ts')).authRotate,
  },
  {
    noun: 'audit',
    verb: 'ls',
    describe: 'List audit events, newest first',
    load: async () => (await import('./commands/audit/ls.ts')).auditLs,
  },
  {
    noun: 'audit',
    verb: 'tail',
    describe: 'Print audit events as they happen, until Ctrl-C',
    load: async () => (await import('./commands/audit/tail.ts')).auditTail,
  },
  {
    verb: 'login',
    describe: 'Sign up with a token from an admin, and keep the identity on this machine',
    load: async () => (await import('./commands/login.ts')).login,
  },
  {
    verb: 'logout',
    describe: 'Delete the identity that login stored on this machine',
    load: async () => (await import('./commands/logout.ts')).logout,
  },
  {
    verb: 'whoami',
    describe: 'Show your identity: name, roles, cluster, and when it expires',
    load: async () => (await import('./commands/whoami.ts')).whoami,
  },
  {
    noun: 'clusters',
    verb: 'ls',
    describe: 'List the clusters that you are logged in to',
    load: async () => (await import('./commands/clusters/ls.ts')).clustersLs,
  },
  {
    noun: 'clusters',
    verb: 'use',
    describe: 'Make a cluster the current one',
    rest: { name: 'CLUSTER', describe: 'Name of the cluster', names: 'cluster' },
    load: async () => (await import('./commands/clusters/use.ts')).clustersUse,
  },
  {
    verb: 'status',
    describe: 'Show the cluster, its version, its authorities and the CA pin',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    verb: 'get',
    describe: 'Show tokens, nodes or users as documents, without secrets',
    rest: {
      name: 'KIND [NAME]',
      describe: 'tokens, nodes or users; then a name or id',
      choices: ['tokens', 'nodes', 'users'],
      names: 'resource',
    },
    load: async () => (await import('./commands/get.ts')).get,
  },
  {
    verb: 'create',
    describe: 'Create the tokens and users that a file of documents describes; existing ones stay as they are',
    load: async () => (await import('./commands/create.ts')).create,
  },
  {
    verb: 'rm',
    aliases: ['del'],
    describe: 'Remove tokens, nodes and users by KIND/NAME',
    rest: {
      name: 'KIND/NAME...',
      describe: 'token/NAME, node/NAME or user/NAME; a NAME may be an id',
      choices: ['token/', 'node/', 'user/'],
      names: 'resource',
    },
    load: async () => (await import('./commands/rm.ts')).rm,
  },
  ...COMPLETION_ENTRIES,
]

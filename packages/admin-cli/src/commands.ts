import type { Command } from './command.ts'

/** A command's place in the tree. The rest of it is loaded when it is needed, which keeps --help quick. */
export interface Entry {
  noun?: string
  verb: string
  aliases?: readonly string[]
  describe: string
  /** Arguments without a flag, any number of them. Absent: none are allowed. */
  rest?: { name: string; describe: string }
  load: () => Promise<Command>
}

/** What the nouns are for. */
export const NOUNS: Record<string, string> = {
  tokens: 'Make, list and remove join tokens',
  nodes: 'See who is in and who is alive',
}

/** Every command there is. */
export const COMMANDS: readonly Entry[] = [
  {
    noun: 'tokens',
    verb: 'add',
    describe: 'Make a join token and print the command that joins a node with it',
    load: async () => (await import('./commands/tokens-add.ts')).tokensAdd,
  },
  {
    noun: 'tokens',
    verb: 'ls',
    describe: 'List the tokens that can still admit a node; never their secrets',
    load: async () => (await import('./commands/tokens-ls.ts')).tokensLs,
  },
  {
    noun: 'tokens',
    verb: 'rm',
    aliases: ['del'],
    describe: 'Remove tokens, so that nobody joins with them any more',
    rest: { name: 'tokens', describe: 'Token ids, or whole tokens' },
    load: async () => (await import('./commands/tokens-rm.ts')).tokensRm,
  },
  {
    noun: 'nodes',
    verb: 'ls',
    describe: 'List the nodes with their status and when each was last seen',
    load: async () => (await import('./commands/nodes-ls.ts')).nodesLs,
  },
  {
    noun: 'nodes',
    verb: 'watch',
    describe: 'List the nodes, then print each change as it happens, until Ctrl-C',
    load: async () => (await import('./commands/nodes-watch.ts')).nodesWatch,
  },
  {
    verb: 'status',
    describe: 'Show the cluster, its version, its authorities and the CA pin',
    load: async () => (await import('./commands/status.ts')).status,
  },
]

import { ADD_OPTIONS, addToken } from '../tokens/add-token.ts'
import { defineCommand } from '../../cli/command.ts'

/** The older spelling of `tokens add`. */
export const nodesAdd = defineCommand({
  options: {
    roles: {
      type: 'string',
      default: 'node',
      value: 'ROLES',
      names: 'node-role',
      describe:
        'Who may join: app, auth, bot, db, discovery, kube, node, proxy, windowsdesktop; separate several with commas',
    },
    ...ADD_OPTIONS,
  },
  examples: [
    ['$0 nodes add --ttl=5m --roles=proxy', 'the same as tokens add --ttl=5m --type=proxy'],
    ['$0 nodes add', 'a token for nodes that works for half an hour'],
  ],
  run: (args, context) => addToken(args, { flag: '--roles', roles: args.roles }, context),
})

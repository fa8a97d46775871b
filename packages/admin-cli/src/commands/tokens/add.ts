import { ADD_OPTIONS, addToken } from './add-token.ts'
import { defineCommand } from '../../cli/command.ts'

/** Creates a join token. */
export const tokensAdd = defineCommand({
  options: {
    type: {
      type: 'string',
      required: true,
      value: 'ROLES',
      names: 'node-role',
      describe:
        'Who may join: app, auth, bot, db, discovery, kube, node, proxy, windowsdesktop; separate several with commas',
    },
    ...ADD_OPTIONS,
  },
  examples: [
    ['$0 tokens add --type=node --ttl=5m', 'any number of nodes, for five minutes'],
    ['$0 tokens add --type=node,proxy --max-uses=1', 'one machine with both roles'],
    ["$0 tokens add --type=db --allow-cidr=10.0.0.0/8 --allow-hostname='db-*'", 'only these networks and host names'],
    ['$0 tokens add --type=bot --bot-name=ci', 'a program that renews its own identity'],
    ['token=$($0 tokens add --type=node --format=text)', 'in a script'],
  ],
  run: (args, context) => addToken(args, { flag: '--type', roles: args.type }, context),
})

import { type Command, FORMATS } from '@muster/cli-kit'
import { facts, print } from '@muster/cli-kit/print'
import { tokenIdOf } from '@muster/domain'
import { readGivenInvitation } from '../join/invitation.ts'
import { UsageError } from '@muster/cli-kit'

const SHOW_OPTIONS = {
  'show-token': { type: 'boolean', describe: 'Print the token too, which is a secret' },
  format: { type: 'string', alias: 'o', choices: FORMATS, default: 'text', describe: 'How to print' },
} as const

/** Decodes an invitation offline. The token is masked unless --show-token is given. */
export const showCommand: Command<typeof SHOW_OPTIONS> = {
  options: SHOW_OPTIONS,
  examples: [
    ['$0 show /run/invitation', 'the address, the pins and the roles in the invitation'],
    [`$0 show /run/invitation --format=json | jq -r '.ca_pins[]'`, 'the pins alone'],
  ],
  async run(args, { io }) {
    const invitation = read(args.positionals[0], io.env)
    const { address, caPins, roles } = invitation
    const token = args['show-token'] === true ? invitation.token : masked(invitation.token)
    const data = { auth_server: address, token, token_id: tokenIdOf(invitation.token) ?? null, ca_pins: caPins, roles }
    await print(io, args.format, data, () =>
      io.stdout.write(
        facts([
          ['Server', address],
          ['Token', token],
          ...caPins.map((pin): [string, string] => ['CA pin', pin]),
          ['Roles', roles.join(', ')],
        ]),
      ),
    )
  },
}

function read(text: string | undefined, env: Readonly<Record<string, string | undefined>>) {
  let invitation
  try {
    invitation = readGivenInvitation({ invitation: text }, (name) => env[name] || undefined)
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
  if (invitation === undefined) throw new UsageError("give an invitation, 'muster://...', or a file with one")
  return invitation
}

/** The public id of a generated token stays; nothing of another one does. */
function masked(token: string): string {
  const id = tokenIdOf(token)
  return id === undefined ? '(masked)' : `mtk_${id}_...`
}

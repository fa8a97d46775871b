import { print, styleFor } from '@muster/cli-kit/print'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { rotationJson } from './json.ts'
import { rotationText } from './rotation-text.ts'

/** Shows where the rotation of each authority stands, and who has not confirmed its phase. */
export const authStatus = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 auth status', 'both authorities, with the pins and who a rotation waits for'],
    [`$0 auth status --format=json | jq '.[] | select(.phase != "standby") | .unconfirmed'`, 'who has not confirmed'],
  ],
  async run({ format }, { io, now, cluster }) {
    const { ca } = await cluster()
    const { rotations } = await ca.listRotations({})
    await print(io, format, rotations.map(rotationJson), () => {
      const style = styleFor(io.stdout, io.env)
      io.stdout.write(rotations.map((rotation) => rotationText(rotation, now(), style)).join('\n'))
    })
  },
})

import type { Attack } from '../attack.ts'
import { openTcp, openTls } from '../tools/dial.ts'
import { times, untilOver } from '../tools/repeat.ts'

/** Takes up every descriptor of a service that may open 800 files, with silent connections and with idle TLS. */
export const fewDescriptors: Attack = {
  name: 'few-descriptors',
  tries: 'more connections than the service has descriptors',
  target: 'few-descriptors',
  counted: ['gate evicted', 'gate full', 'gate handshake-too-slow'],
  async run(stage) {
    const { done } = await times(stage, stage.size(1_200, 900), 50, async (i) => {
      if (i % 8 > 0) {
        await openTcp(stage)
        return
      }
      // The gate makes handshakes wait that are over the budget of their source; the others do not.
      openTls(stage).then(
        (socket) => socket.resume(),
        () => {},
      )
    })
    await untilOver(stage)
    return { counts: { opened: done } }
  },
}

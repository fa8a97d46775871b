import type { Command } from '@muster/cli-kit'
import { systemClock } from '@muster/runtime'
import { exposesToken, loadConfigFile, unreadableConfig } from '../config-file/load-config-file.ts'
import { EXIT } from '../exit-status.ts'
import { systemdNotifier } from '../systemd/notifier.ts'
import { openAgentLog } from './agent-log.ts'
import { parseStartFlags } from './options.ts'
import { START_EXAMPLES, START_OPTIONS, startFlagsOf } from './start-flags.ts'

/** Joins the cluster if need be, then runs until stopped. A stop is success, unless it cuts off a --oneshot run. */
export const startCommand: Command<typeof START_OPTIONS> = {
  options: START_OPTIONS,
  examples: START_EXAMPLES,
  async run(args, { io, signal }) {
    const config = await loadConfigFile(args.config, io.env)
    const options = parseStartFlags(startFlagsOf(args), io.env, config)
    const unreadable = unreadableConfig(args.config, io.env)
    if (unreadable !== undefined) options.notes.push(unreadable)
    if (config === undefined && io.env['CREDENTIALS_DIRECTORY']) {
      options.notes.push("this service has no /etc/muster.yaml; write it by 'muster configure INVITATION -o file'")
    }
    // Losing the log must not stop beats and renewals.
    io.outliveOutput?.()
    // Loads gRPC, so usage errors come first.
    const { start } = await import('../run/start.ts')
    const { readProxies } = await import('../join/read-proxies.ts')
    const proxyFor = readProxies(io.env)
    const log = openAgentLog(options.log, io)
    if (config !== undefined && exposesToken(config)) {
      log.warn({}, `${config.path} holds a token, and other users can read it; run: chmod 600 ${config.path}`)
    }
    const notifier = systemdNotifier(io.env, log)
    try {
      await start(options, {
        clock: systemClock,
        log,
        say: (line) => io.stdout.write(`${line}\n`),
        signal,
        proxyFor,
        notifier,
      })
    } catch (error) {
      if (signal.aborted) return options.oneshot ? EXIT.failed : EXIT.ok
      throw error
    } finally {
      await notifier.stopping()
    }
    return EXIT.ok
  },
}

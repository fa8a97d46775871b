import { type Command, FORMATS } from '@muster/cli-kit'
import { type Column, print, styleFor, table, paint } from '@muster/cli-kit/print'
import { dersFromPem, spkiPin } from '@muster/pki'
import { checkMachine } from '../check/machine-checks.ts'
import { type CheckResult, runChecks, statusOfAll } from '../check/checks.ts'
import { checkServer, type ServerToCheck } from '../check/server-checks.ts'
import { readProxies } from '../join/read-proxies.ts'
import { loadConfigFile, unreadableConfig } from '../config-file/load-config-file.ts'
import { parseStartFlags, type StartOptions } from '../config/options.ts'
import { START_OPTIONS } from '../config/start-flags.ts'
import { readBundle, readReport } from '../status/report.ts'

const CHECK_OPTIONS = {
  'auth-server': START_OPTIONS['auth-server'],
  'ca-pin': START_OPTIONS['ca-pin'],
  token: START_OPTIONS.token,
  'data-dir': START_OPTIONS['data-dir'],
  config: START_OPTIONS.config,
  format: { type: 'string', alias: 'o', choices: FORMATS, default: 'text', describe: 'How to print' },
} as const

/** Checks everything that a join, or a member's connection, needs. Sends no token. The exit status is of the first failure. */
export const checkCommand: Command<typeof CHECK_OPTIONS> = {
  options: CHECK_OPTIONS,
  examples: [
    ['$0 check', 'check what /etc/muster.yaml says, or the identity of a machine that has joined'],
    ['$0 check /run/invitation', 'check an invitation from this machine; it is not used up'],
    ['$0 check --auth-server=10.0.0.1:3025 --ca-pin=sha256:...', 'check an address and a pin'],
  ],
  async run(args, { io, now, signal }) {
    const { 'auth-server': authServer, 'ca-pin': caPin, token, positionals } = args
    const flags = { invitation: positionals[0], authServer, caPin, token, dataDir: args['data-dir'] }
    const config = await loadConfigFile(args.config, io.env)
    const options = parseStartFlags(flags, io.env, config)
    const unreadable = unreadableConfig(args.config, io.env)
    const report = await readReport({ dataDir: options.dataDir, now: now() })
    const address = options.authServer ?? report.profile?.authServer
    const pins = pinsToExpect(options, report.profile === undefined ? undefined : readBundle(options.dataDir))
    const results = [
      await configuration(config?.path ?? unreadable),
      ...(await checkMachine(options, report)),
      ...(await serverResults(address, { pins, now, signal, proxyFor: readProxies(io.env) })),
    ]
    await print(
      io,
      args.format,
      results.map(({ check, result, detail }) => ({ check, result, detail })),
      () => io.stdout.write(table(COLUMNS, results, styleFor(io.stdout, io.env))),
    )
    return statusOfAll(results)
  },
}

async function configuration(found: string | undefined): Promise<CheckResult> {
  const [result] = await runChecks([['configuration', async () => found ?? 'none']])
  return result!
}

/** The pins of the roots that the machine trusts; before it has joined, those that were given. */
function pinsToExpect({ caPins }: StartOptions, bundlePem: string | undefined): readonly string[] | undefined {
  if (bundlePem !== undefined) return dersFromPem(bundlePem).map(spkiPin)
  return caPins.length === 0 ? undefined : caPins
}

async function serverResults(
  address: string | undefined,
  server: Omit<ServerToCheck, 'address'>,
): Promise<CheckResult[]> {
  const noAddress = async (): Promise<string> => {
    throw new Error('no address of a server is given; --auth-server or auth_server in the configuration gives it')
  }
  if (address === undefined) return runChecks([['server', noAddress], ...NOT_REACHED])
  return [
    ...(await runChecks([['server', async () => address]])),
    ...(await checkServer({ ...server, address })).results,
  ]
}

const NOT_REACHED = (['resolve', 'connect', 'TLS', 'CA pin', 'version', 'clock'] as const).map(
  (name) => [name, async () => ''] as const,
)

const PAINT = { passed: paint.green, failed: paint.red, 'not reached': paint.yellow }

const COLUMNS: readonly Column<CheckResult>[] = [
  { title: 'Check', text: ({ check }) => check },
  { title: 'Result', text: ({ result }) => result, paint: (cell, { result }) => PAINT[result](cell) },
  { title: 'Detail', text: ({ detail }) => detail, rank: 1, narrow: 'under' },
]

import { mayExist } from '@muster/runtime'
import path from 'node:path'
import { type Command, type Context, UsageError } from '@muster/cli-kit'
import { configFileName } from '../config-file/config-file.ts'
import { formatConfig } from '../config-file/format-config.ts'
import { loadConfigFile, parseConfig } from '../config-file/load-config-file.ts'
import { parseOutput, refuseExisting, writeConfig } from '../config-file/output.ts'
import { parseStartFlags, type StartOptions } from '../config/options.ts'
import { START_OPTIONS } from '../config/start-flags.ts'

const text = { type: 'string' } as const

const NODE_OPTIONS = {
  token: START_OPTIONS.token,
  'auth-server': START_OPTIONS['auth-server'],
  proxy: { ...text, value: 'HOST:PORT', describe: 'Not available in this version; use --auth-server' },
  'ca-pin': START_OPTIONS['ca-pin'],
  nodename: START_OPTIONS.nodename,
  labels: START_OPTIONS.labels,
  'advertise-ip': START_OPTIONS['advertise-ip'],
  'data-dir': START_OPTIONS['data-dir'],
  'diag-addr': START_OPTIONS['diag-addr'],
  output: {
    ...text,
    alias: 'o',
    value: 'WHERE',
    default: 'stdout',
    describe: 'stdout, file (/etc/muster.yaml), or file:///PATH',
  },
  force: { type: 'boolean', describe: 'Replace a file that exists' },
  offline: { type: 'boolean', describe: 'Do not ask the server whether it can be reached and matches the pin' },
  test: { ...text, value: 'FILE', names: 'file', describe: 'Check a configuration and write nothing' },
} as const

const CONFIGURE_OPTIONS = { roles: START_OPTIONS.roles, ...NODE_OPTIONS } as const

type Given = Parameters<Command<typeof CONFIGURE_OPTIONS>['run']>[0]

/** Writes the configuration of this machine, after it has asked the server. Sends no token. */
export const configureCommand: Command<typeof CONFIGURE_OPTIONS> = {
  options: CONFIGURE_OPTIONS,
  examples: [
    [
      '$0 configure --roles=node --token=TOKEN --auth-server=10.0.0.1:3025 --ca-pin=sha256:... -o file',
      'write /etc/muster.yaml',
    ],
    ['$0 configure /run/invitation -o file', 'the same by an invitation, or the file that holds it'],
    [
      '$0 configure --roles=node --token=/run/token --auth-server=10.0.0.1:3025',
      'print it; the token stays in its file',
    ],
    ['$0 configure --test=/etc/muster.yaml', 'check a configuration that exists'],
  ],
  run: configure,
}

/** `muster configure` for the role node. */
export const configureNodeCommand: Command<typeof NODE_OPTIONS> = {
  options: NODE_OPTIONS,
  examples: [
    ['$0 node configure --token=TOKEN --auth-server=10.0.0.1:3025 -o file', 'write /etc/muster.yaml'],
    ['$0 node configure /run/invitation -o file', 'the same by an invitation, or the file that holds it'],
  ],
  run: (args, context) => configure({ ...args, roles: 'node' }, context),
}

async function configure(args: Given, { io, now, signal }: Context): Promise<number | void> {
  if (args.test !== undefined) {
    const { path: file } = (await loadConfigFile(args.test, io.env, '--test'))!
    return void io.stdout.write(`${file} has no problems.\n`)
  }
  if (args.proxy !== undefined) {
    throw new UsageError('--proxy: joining through a proxy is not available in this version; use --auth-server')
  }
  const output = parseOutput(args.output, configFileName(undefined, io.env).file)
  const force = args.force ?? false
  const options = parseStartFlags(startFlags(args), io.env)
  const wanted = requireValues(options, args.token ?? (options.isInvited ? undefined : io.env['MUSTER_TOKEN']))
  const dataDir = args['data-dir'] === undefined && !io.env['MUSTER_DATA_DIR'] ? undefined : options.dataDir
  const content = formatConfig({ ...options, ...wanted, dataDir, roles: options.roles ?? ['node'] })
  await parseConfig(content, output ?? '(the configuration)')
  if (output !== undefined) refuseExisting(output, force)

  let note = ''
  if (args.offline !== true) {
    // Loads gRPC, so usage errors come first.
    const { checkServer } = await import('../check/server-checks.ts')
    const { readProxies } = await import('../join/read-proxies.ts')
    const pins = options.caPins.length === 0 ? undefined : options.caPins
    const { results, shownPin } = await checkServer({
      address: wanted.authServer,
      pins,
      now,
      signal,
      proxyFor: readProxies(io.env),
    })
    const failed = results.find(({ result }) => result === 'failed')
    if (failed !== undefined) {
      io.stderr.write(`muster: ${failed.check}: ${failed.detail}\n`)
      io.stderr.write('Nothing was written. Correct it, or add --offline to write the configuration without asking.\n')
      return failed.status
    }
    if (pins === undefined) note = ` ${wanted.authServer} shows ${shownPin}; compare it with 'musterctl status'.`
  }
  if (output === undefined) io.stdout.write(content)
  else {
    await writeConfig(output, content, force)
    io.stdout.write(`Wrote ${output}. Join with: muster start\n`)
  }
  if (options.caPins.length === 0) {
    const where = output === undefined ? '' : ` in ${output}`
    io.stderr.write(`No CA pin was given, and a join needs one: set ca_pin${where}.${note}\n`)
  }
}

function startFlags(args: Given) {
  return {
    invitation: args.positionals[0],
    // An invitation brings its own roles, unless the flag replaces them.
    roles: args.roles,
    token: args.token,
    caPin: args['ca-pin'],
    authServer: args['auth-server'],
    nodename: args.nodename,
    labels: args.labels,
    advertiseIp: args['advertise-ip'],
    dataDir: args['data-dir'],
    diagAddr: args['diag-addr'],
  }
}

/** The values that a configuration cannot do without. A token in a file stays there. @throws UsageError that lists those missing */
function requireValues({ token, authServer }: StartOptions, given: string | undefined) {
  const missing = [...(token === undefined ? ['--token'] : []), ...(authServer === undefined ? ['--auth-server'] : [])]
  if (token === undefined || authServer === undefined) {
    throw new UsageError(`${missing.join(' and ')} must be given, or an invitation, which holds both`)
  }
  const isFile = given !== undefined && mayExist(given)
  return { authServer, token: isFile ? path.resolve(given) : token }
}

import { type Args, CliError, type Command, FORMATS, type Io, UsageError } from '@muster/cli-kit'
import { facts, print } from '@muster/cli-kit/print'
import { messageOf } from '@muster/domain'
import { parseSemanticVersion, VERSION } from '@muster/runtime'
import type { WebFace } from '@muster/rpc'
import { loadConfigFile } from '../config-file/load-config-file.ts'
import { dataDirOf } from '../config/options.ts'
import { START_OPTIONS } from '../config/start-flags.ts'
import { readProxies } from '../join/read-proxies.ts'
import { readReport, type Report } from '../status/report.ts'
import { versionAdvice } from '../status/version-advice.ts'
import { findWebFace } from '../upgrade/find-web-face.ts'
import { type Installation, readInstallation } from '../upgrade/installation.ts'
import { planUpgrade, readInstallScript, type Target, type UpgradePlan } from '../upgrade/upgrade-plan.ts'
import { upgradeJson } from '../upgrade/upgrade-json.ts'
import { restartAgent } from '../upgrade/restart-agent.ts'
import { runInstallScript } from '../upgrade/run-script.ts'

const UPGRADE_OPTIONS = {
  check: { type: 'boolean', describe: 'Say what would be done, and do nothing' },
  channel: { type: 'string', value: 'NAME', default: 'default', describe: 'The channel that has the version' },
  to: { type: 'string', value: 'VERSION', describe: 'This version, whatever the channel says' },
  'allow-downgrade': { type: 'boolean', describe: 'Install a version that is older than this one too' },
  'web-addr': {
    type: 'string',
    value: 'HOST:PORT',
    describe: 'Address of the web face [default: the one that the cluster tells]',
  },
  config: START_OPTIONS.config,
  'data-dir': START_OPTIONS['data-dir'],
  format: { type: 'string', alias: 'o', choices: FORMATS, default: 'text', describe: 'How to print --check' },
} as const

type UpgradeArgs = Args<typeof UPGRADE_OPTIONS>

/**
 * Installs the version that the cluster's web face has for its agents, by the install script of that web face, and restarts the agent
 * if systemd runs it. Safe to repeat.
 */
export const upgradeCommand: Command<typeof UPGRADE_OPTIONS> = {
  options: UPGRADE_OPTIONS,
  examples: [
    ['$0 upgrade --check', 'which version this machine has, and which it should have'],
    ['sudo $0 upgrade', 'install that version and restart the agent'],
    ['sudo $0 upgrade --to=1.4.0 --allow-downgrade', 'go back to an earlier version'],
  ],
  async run(args, { io, now, signal }) {
    const target = targetOf(args)
    const installation = readInstallation()
    if (args.check !== true) requireReplaceable(installation)
    const dataDir = dataDirOf(args['data-dir'], io.env, await loadConfigFile(args.config, io.env))
    const report = await readReport({ dataDir, now: now() })
    const face = await findWebFace({ report, given: args['web-addr'], proxyFor: readProxies(io.env), signal })
    const plan = await planUpgrade(face, VERSION, target)
    if (args.check === true) {
      await print(io, args.format, upgradeJson(plan, face, installation), () =>
        io.stdout.write(textOf(plan, face, installation, flagsAgain(args))),
      )
      return
    }
    await carryOut(plan, { face, installation, report, allowsDowngrade: args['allow-downgrade'] === true, io })
  },
}

function targetOf({ channel, to }: { channel: string; to?: string | undefined }): Target {
  if (to === undefined) return { channel }
  try {
    return { version: parseSemanticVersion(to, '--to') }
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}

interface Upgrade {
  face: WebFace
  installation: Installation
  report: Report
  allowsDowngrade: boolean
  io: Io
}

async function carryOut(
  plan: UpgradePlan,
  { face, installation, report, allowsDowngrade, io }: Upgrade,
): Promise<void> {
  const { from, to, action } = plan
  if (action === 'none') return void io.stdout.write(`Muster ${from} is the version to have; nothing was changed.\n`)
  if (action === 'downgrade' && !allowsDowngrade) {
    throw new CliError(
      `${to} is older than this version, ${from}; nothing was changed`,
      'Add --allow-downgrade to install it.',
    )
  }
  const script = await readInstallScript(face)
  const flags = ['--version', to, ...(installation.scriptFlags ?? [])]
  await runInstallScript(script, action === 'downgrade' ? [...flags, '--allow-downgrade'] : flags, io)
  io.stdout.write(`Replaced Muster ${from} by ${to}.\n`)
  if (await restartAgent({ byPackage: installation.scriptFlags?.length === 0 }))
    io.stdout.write('Restarted the agent.\n')
  else if (report.pid !== undefined)
    io.stdout.write(`The agent still runs ${from} as process ${report.pid}; restart it.\n`)
}

/** @throws CliError if the install script would not replace this program, or this user may not */
function requireReplaceable({ program, scriptFlags }: Installation): void {
  if (scriptFlags === undefined) {
    throw new CliError(
      `this program, ${program}, was not installed by the install script of a cluster`,
      'Upgrade it the way it was installed: a checkout by git pull and npm run setup, an npm package by npm install.',
    )
  }
  if (process.getuid?.() !== 0) throw new CliError(`only root may replace ${program}`, 'Run: sudo muster upgrade')
}

function textOf(
  plan: UpgradePlan,
  { address, cluster }: WebFace,
  { program, scriptFlags }: Installation,
  again: string,
): string {
  const { from, to, action, serverVersion = 'unknown' } = plan
  const next = {
    none: 'nothing to do',
    upgrade: `from ${from} to ${to}: sudo muster upgrade${again}`,
    downgrade: `from ${from} back to ${to}: sudo muster upgrade --allow-downgrade${again}`,
  }[action]
  const rows: [string, string][] = [
    ['Installed', `${from} (${program})`],
    ['Cluster', `${cluster === undefined ? '' : `${cluster.name}, `}version ${serverVersion}`],
    ['Web face', `https://${address}`],
    ['Upgrade', next],
  ]
  const notes = [
    ...versionAdvice(from, plan),
    ...(scriptFlags === undefined && action !== 'none' ? [`${program} was not installed by the install script`] : []),
  ]
  return facts(rows) + notes.map((note) => `- ${note}\n`).join('')
}

/** The flags that choose the version, as a person gives them again. */
function flagsAgain({ channel, to, 'web-addr': webAddr }: Pick<UpgradeArgs, 'channel' | 'to' | 'web-addr'>): string {
  const flags = { channel: channel === 'default' ? undefined : channel, to, 'web-addr': webAddr }
  return Object.entries(flags)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` --${name}=${value}`)
    .join('')
}

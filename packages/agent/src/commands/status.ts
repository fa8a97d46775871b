import { type Command, FORMATS } from '@muster/cli-kit'
import { facts, print, timeAgo, utcTime, utcTimeAndDistance } from '@muster/cli-kit/print'
import { loadConfigFile } from '../config-file/load-config-file.ts'
import { dataDirOf } from '../config/options.ts'
import { START_OPTIONS } from '../config/start-flags.ts'
import { EXIT } from '../exit-status.ts'
import { readReport, reportJson, type Report } from '../status/report.ts'

const STATUS_OPTIONS = {
  config: START_OPTIONS.config,
  'data-dir': START_OPTIONS['data-dir'],
  format: { type: 'string', alias: 'o', choices: FORMATS, default: 'text', describe: 'How to print' },
} as const

/** Shows what this machine is in its cluster, and what is wrong. Asks no server. Exit status 1 if anything is wrong. */
export const statusCommand: Command<typeof STATUS_OPTIONS> = {
  options: STATUS_OPTIONS,
  examples: [
    ['$0 status', 'the identity of this machine and what is wrong with it'],
    ['$0 status --format=json | jq -r .node_id', 'the id of this node alone'],
  ],
  async run(args, { io, now }) {
    const dataDir = dataDirOf(args['data-dir'], io.env, await loadConfigFile(args.config, io.env))
    const report = await readReport({ dataDir, now: now() })
    await print(io, args.format, reportJson(report), () => io.stdout.write(textOf(report, now())))
    return report.problems.length === 0 ? EXIT.ok : EXIT.failed
  },
}

function textOf(report: Report, now: Date): string {
  const { dataDir, profile, certificate, pid, lastBeatAt, problems, warnings } = report
  const rows: [string, string][] = [['Joined', profile === undefined ? 'no' : `yes, ${profile.clusterName}`]]
  if (profile !== undefined && certificate !== undefined) {
    const { expiresAt } = certificate
    rows.push(
      profile.botName === undefined
        ? ['Node', profile.nodeId]
        : ['Bot', `${profile.botName} (instance ${profile.nodeId})`],
      ['Host name', profile.facts?.hostname ?? ''],
      ['Roles', profile.roles.join(', ')],
      ['Server', profile.authServer],
      [
        'Certificate',
        expiresAt > now ? `until ${utcTimeAndDistance(expiresAt, now)}` : `expired ${utcTime(expiresAt)}`,
      ],
      ['Trust bundle', `version ${profile.trustBundleVersion}`],
    )
  }
  rows.push(['Agent', pid === undefined ? 'does not run' : `runs as process ${pid}`])
  if (lastBeatAt !== undefined) rows.push(['Last beat', `${utcTime(lastBeatAt)} (${timeAgo(lastBeatAt, now)})`])
  rows.push(['Data', dataDir], ['Problems', problems.length === 0 ? 'none' : String(problems.length)])
  if (warnings.length > 0) rows.push(['Warnings', String(warnings.length)])
  return (
    facts(rows.filter(([, value]) => value !== '')) + [...problems, ...warnings].map((line) => `- ${line}\n`).join('')
  )
}

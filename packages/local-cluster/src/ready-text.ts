import { describeService, SERVING_SERVICES } from '@muster/domain'
import type { OperatorProfile } from '@muster/identity'
import path from 'node:path'
import type { ControlPlane } from './control-plane.ts'

/** What `npm start` tells people once the cluster is ready. */
export interface ReadyFacts {
  profile: OperatorProfile
  services: ControlPlane['services']
  dataDir: string
  /** The greeting of the first node; undefined without one. */
  greeting: string | undefined
}

/** Tells a person how to use the cluster that has started. Scripts wait for its last line. */
export function readyText({ profile, services, dataDir, greeting }: ReadyFacts): string {
  const operatorDir = path.join(dataDir, 'operator')
  // musterctl finds .muster/ below the current folder; it needs --identity for any other folder.
  const identity = dataDir === path.resolve('.muster') ? '' : ` --identity ${operatorDir}`
  const rows = [
    ['Cluster', profile.clusterName],
    ...profile.caPins.map((pin) => ['CA pin', pin]),
    ['registration-service', profile.publicAddress],
    ...SERVING_SERVICES.filter((name) => name !== 'registration-service').map((name) => [
      name,
      profile.addresses[describeService(name).shortName],
    ]),
    ...(profile.webAddress === undefined ? [] : [['web-service', `https://${profile.webAddress}`]]),
    ...Object.entries(services).map(([name, replicas]) => [
      `  ${name} metrics`,
      `http://${replicas[0]!.diagnosticsAddress}/metrics`,
    ]),
    ['Data', dataDir],
    ...(greeting === undefined ? [] : [['First node', greeting]]),
  ] as [string, string][]
  const width = Math.max(...rows.map(([label]) => label.length)) + 2
  return [
    '',
    ...rows.map(([label, value]) => label.padEnd(width) + value),
    '',
    'In a second terminal, in this folder, put the programs on your PATH:',
    '  export PATH="$PWD/node_modules/.bin:$PATH"',
    'Add a node: make a token, and paste the command that it prints on the new machine:',
    `  musterctl tokens add --type=node --ttl=5m${identity}`,
    'See who is in:',
    `  musterctl nodes ls${identity}`,
    'Ctrl-C stops everything.',
    '',
    'Muster is ready.',
  ].join('\n')
}

import type { NodeRole } from '@muster/domain'

/** The next step with a machine of each type, by flags of `muster start`. Muster itself provides an identity and presence, nothing more. */
const HINTS: Record<NodeRole, (botName: string) => string> = {
  app: () =>
    'app: name the application with --labels=app=NAME and where it is served with --advertise-ip=HOST:PORT; the roll shows both, and Muster forwards no requests to it',
  auth: () =>
    "auth: a member with this role may be trusted to make decisions, so let the token admit one (--max-uses=1). Muster's own services do not join with tokens; they enrol",
  bot: (botName) =>
    `bot: it becomes /bot/${botName} and keeps its credentials in --data-dir, renewed by itself; in a CI job add --oneshot to write them and end. A copy that is used elsewhere locks it: musterctl bots ls`,
  db: () =>
    'db: run it where the database can be reached, and name that with --labels=db=NAME and --advertise-ip=HOST:PORT; the roll shows both, and Muster opens no connection to it',
  discovery: () =>
    'discovery: run it where it reaches what it is to find, and say which part that is with --labels=region=NAME; Muster itself looks for nothing',
  kube: () =>
    'kube: name the cluster with --labels=cluster=NAME; in a pod keep --data-dir on a volume, or each restart is a new node that needs a token again',
  node: () =>
    'node: add --labels=env=prod to sort it by, and --nodename=NAME if its host name is not what you want on the roll; it calls out only, so open no port for it',
  proxy: () =>
    'proxy: clients must reach it, so give its public address with --advertise-ip=HOST:PORT; behind a load balancer start one on each machine, each with a --data-dir of its own',
  windowsdesktop: () =>
    'windowsdesktop: run it where the desktops can be reached (RDP, port 3389), and name their domain with --labels=domain=NAME; Muster shows no desktop itself',
}

/** A hint for each type, in the order given. */
export function typeHints(roles: readonly string[], botName: string): string[] {
  return roles.filter(isKnown).map((role) => HINTS[role](botName))
}

function isKnown(role: string): role is NodeRole {
  return Object.hasOwn(HINTS, role)
}

import { SERVICES, type ServiceName } from '@muster/domain'
import { inFolder, type PackedFile, programFile, textFile } from '../archive/packed.ts'
import type { ServiceBundle } from '../bundle/bundle-service.ts'
import { NODE_RELEASE } from '../executable/node-release.ts'
import { nodeScript, type ProgramCode } from './node-script.ts'

/** The licences that an image carries. */
export interface Licenses {
  license: string
  notices: string
}

/** What `docker build` needs for the image of a service: the Dockerfile, the bundle, the files that it reads, licences. */
export function imageContext(name: ServiceName, { code, files }: ServiceBundle, licenses: Licenses): PackedFile[] {
  return inFolder(`images/${name}`, [
    textFile('Dockerfile', dockerfile(name)),
    textFile('main.mjs', code),
    ...files,
    textFile('LICENSE', licenses.license),
    textFile('THIRD-PARTY-NOTICES', licenses.notices),
  ])
}

/** The same for the agent, with `musterctl` beside it. */
export function agentImageContext(code: ProgramCode, licenses: Licenses): PackedFile[] {
  return inFolder('images/muster', [
    textFile('Dockerfile', AGENT_DOCKERFILE),
    programFile('muster', nodeScript(code.muster)),
    programFile('musterctl', nodeScript(code.musterctl)),
    textFile('LICENSE', licenses.license),
    textFile('THIRD-PARTY-NOTICES', licenses.notices),
  ])
}

const AGENT_DOCKERFILE = `# The agent: docker run --read-only -v DATA:/var/lib/muster -v FILE:/run/invitation:ro IMAGE start /run/invitation
FROM node:${NODE_RELEASE.version}-slim
COPY LICENSE THIRD-PARTY-NOTICES /usr/share/doc/muster/
COPY muster musterctl /usr/local/bin/
RUN install -d -m 700 -o node -g node /var/lib/muster
ENV MUSTER_DATA_DIR=/var/lib/muster
VOLUME /var/lib/muster
USER node
HEALTHCHECK --interval=1m --start-period=1m CMD ["muster", "status"]
ENTRYPOINT ["muster"]
CMD ["start"]
`

function dockerfile(name: ServiceName): string {
  const { listenPort, webPort, diagnosticsPort } = SERVICES[name]
  return `# ${name}, without its stores. The README of the service lists its variables.
FROM node:${NODE_RELEASE.version}-slim
COPY . /opt/muster
USER node
EXPOSE ${listenPort ?? webPort} ${diagnosticsPort}
ENTRYPOINT ["node", "/opt/muster/main.mjs"]
`
}

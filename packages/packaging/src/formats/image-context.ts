import { SERVICES, type ServiceName } from '@muster/domain'
import { inFolder, type PackedFile, textFile } from '../archive/packed.ts'
import type { ServiceBundle } from '../bundle/bundle-service.ts'
import { NODE_RELEASE } from '../executable/node-release.ts'

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

import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { SERVICE_NAMES } from '@muster/domain'
import type { PackedFile } from './archive/packed.ts'
import { bundleProgram } from './bundle/bundle-program.ts'
import { bundleService } from './bundle/bundle-service.ts'
import { noticesOf, noticesText, ownLicense } from './bundle/notices.ts'
import { type Contents, readContents } from './contents/contents.ts'
import { makeExecutable } from './executable/executable.ts'
import { type NodeBinary, unpackNode } from './executable/node-binary.ts'
import { type Arch, NODE_RELEASE } from './executable/node-release.ts'
import { makeDeb } from './formats/deb.ts'
import { agentImageContext, imageContext } from './formats/image-context.ts'
import { makeNpmPackage } from './formats/npm-package.ts'
import type { ProgramCode } from './formats/node-script.ts'
import { canMakeRpm, makeRpm } from './formats/rpm.ts'
import { makeTarball } from './formats/tarball.ts'
import type { Release } from './release.ts'

/** The kinds of packages. The first three hold the executable; `npm` and `images` hold code alone. */
export const FORMATS = ['tar', 'deb', 'rpm', 'npm', 'images'] as const

/** A kind of package. */
export type PackageFormat = (typeof FORMATS)[number]

/** What to build. */
export interface BuildOptions {
  release: Release
  formats: readonly PackageFormat[]
  architectures: readonly Arch[]
  /** Hears what is about to be done, and what was left out and why. */
  say(line: string): void
}

/** An executable for a processor, and what is packed with it. */
export interface Executable {
  arch: Arch
  data: Buffer
  contents: Contents
}

/** Builds packages. @returns their files, by the names that they have in `dist/packages` */
export async function buildPackages(options: BuildOptions): Promise<PackedFile[]> {
  const { formats, release, say } = options
  const files: PackedFile[] = []
  if (formats.includes('npm')) {
    say('npm package')
    files.push(await buildNpmPackage(release))
  }
  if (formats.includes('images')) {
    say('contexts of the images')
    files.push(...(await buildImageContexts(release)))
  }
  const withExecutable = formats.filter((format) => format === 'tar' || format === 'deb' || format === 'rpm')
  if (withExecutable.length === 0) return files
  if (withExecutable.includes('rpm') && !canMakeRpm()) {
    say('rpm left out: rpmbuild is not on the PATH (the package rpm of Debian, rpm-build of Fedora)')
  }
  for (const arch of options.architectures) {
    say(
      `executable for linux-${arch}${arch === hostArch() ? '' : `, without a code cache: only an ${arch} machine can make one`}`,
    )
    const executable = await buildExecutable(arch, release)
    files.push(...(await packExecutable(executable, options)))
  }
  return files
}

/** Builds the executable for a processor. Runs on Linux, since a step of it is done by a Node of the release that it holds. */
export async function buildExecutable(arch: Arch, release: Release): Promise<Executable> {
  const { code, inputs } = await bundleProgram('by-name', release)
  return inTemporaryFolder(async (folder) => {
    const node = await unpackNode(arch, path.join(folder, arch))
    const own = hostArch()
    const host = own === arch ? node : await unpackNode(own, path.join(folder, own))
    const data = await makeExecutable({ code, node, host, folder })
    return { arch, data, contents: await readContents(release, [...noticesOf(inputs), noticeOfNode(node)]) }
  })
}

/** Puts an executable into the formats that hold one. */
async function packExecutable({ arch, data, contents }: Executable, options: BuildOptions): Promise<PackedFile[]> {
  const { formats, release } = options
  const files: PackedFile[] = []
  if (formats.includes('tar')) files.push(await makeTarball(data, arch, contents, release))
  if (formats.includes('deb')) files.push(await makeDeb(data, arch, contents, release))
  if (formats.includes('rpm') && canMakeRpm()) {
    files.push(await inTemporaryFolder((folder) => makeRpm(data, arch, contents, release, folder)))
  }
  return files
}

async function buildNpmPackage(release: Release): Promise<PackedFile> {
  const { code, inputs } = await bundleBoth(release)
  return makeNpmPackage(code, await readContents(release, noticesOf(inputs)), release)
}

async function buildImageContexts(release: Release): Promise<PackedFile[]> {
  const licensesOf = (inputs: readonly string[]) => ({ license: ownLicense(), notices: noticesText(noticesOf(inputs)) })
  const contexts = SERVICE_NAMES.map(async (name) => {
    const bundle = await bundleService(name, release)
    return imageContext(name, bundle, licensesOf(bundle.inputs))
  })
  const { code, inputs } = await bundleBoth(release)
  return [...(await Promise.all(contexts)).flat(), ...agentImageContext(code, licensesOf(inputs))]
}

/** Bundles `muster` and `musterctl`. */
async function bundleBoth(release: Release): Promise<{ code: ProgramCode; inputs: string[] }> {
  const [muster, musterctl] = [await bundleProgram('muster', release), await bundleProgram('musterctl', release)]
  return {
    code: { muster: muster.code, musterctl: musterctl.code },
    inputs: [...muster.inputs, ...musterctl.inputs],
  }
}

function noticeOfNode({ license }: NodeBinary) {
  return { title: `Node.js ${NODE_RELEASE.version}`, license: 'MIT and those of its parts', text: license.trim() }
}

/** The processor of this machine. @throws Error where no executable can be built */
export function hostArch(): Arch {
  const { platform, arch } = process
  if (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) return arch
  throw new Error(
    `executables can be built on Linux for x64 and arm64; this is ${platform} ${arch}. Use --formats=npm,images`,
  )
}

async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-package-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type Args, type OptionSet, UsageError } from '@muster/cli-kit'
import { programOf } from '@muster/cli-kit/only'
import { processIo, runProgram } from '@muster/cli-kit/run'
import { messageOf } from '@muster/domain'
import { parseSemanticVersion } from '@muster/runtime'
import { checksumsOf } from './archive/checksums.ts'
import { type PackedFile, textFile } from './archive/packed.ts'
import { buildPackages, FORMATS } from './build.ts'
import { CHECKOUT } from './checkout.ts'
import { ARCHITECTURES } from './executable/node-release.ts'
import { readRelease } from './release.ts'

const SUMS = 'SHA256SUMS'

const FLAGS = {
  formats: { type: 'string', value: 'FORMATS', describe: `Some of ${FORMATS.join(', ')}, with commas [default: all]` },
  arch: { type: 'string', value: 'ARCH', describe: `Some of ${ARCHITECTURES.join(', ')}, with commas [default: all]` },
  'set-version': {
    type: 'string',
    value: 'VERSION',
    describe: 'The version of the packages and of the programs in them [default: that of the checkout]',
  },
  out: {
    type: 'string',
    value: 'DIR',
    names: 'file',
    default: path.join('dist', 'packages'),
    describe: 'Folder of the packages; those in it are deleted',
  },
} as const satisfies OptionSet

const PROGRAM = programOf({
  name: 'npm run package',
  typed: 'npm run package --',
  describe: 'Build the programs as files that machines without a checkout can run',
  command: {
    options: FLAGS,
    examples: [
      ['$0', 'everything, into dist/packages'],
      ['$0 --formats=tar,deb --arch=x64', 'the tarball and the deb for this kind of machine'],
    ],
    run: (flags) => run(flags),
  },
})

async function run({ formats, arch, out, 'set-version': given }: Args<typeof FLAGS>): Promise<void> {
  const version = given === undefined ? {} : { version: parseVersion(given) }
  const release = { ...readRelease(process.env), ...version }
  const folder = path.resolve(CHECKOUT, out)
  await checkReplaceable(folder)
  const files = await buildPackages({
    release,
    formats: chosen('formats', formats, FORMATS),
    architectures: chosen('arch', arch, ARCHITECTURES),
    say: (line) => void process.stderr.write(`- ${line}\n`),
  })
  await rm(folder, { recursive: true, force: true })
  const sums = textFile(SUMS, checksumsOf(files))
  for (const file of [...files, sums]) await writeBelow(folder, file)
  process.stdout.write(`${path.relative(process.cwd(), folder) || '.'}\n`)
  for (const { path: name, data } of files.filter((file) => !file.path.includes('/'))) {
    process.stdout.write(`  ${name}  ${(data.length / 1e6).toFixed(1)} MB\n`)
  }
}

function parseVersion(text: string): string {
  try {
    return parseSemanticVersion(text, '--set-version')
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}

/** Deletes nothing but packages: a folder that has other things in it is the wrong one. */
async function checkReplaceable(folder: string): Promise<void> {
  const names: string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (names.length > 0 && !names.includes(SUMS)) {
    throw new UsageError(`--out: ${folder} has files in it and no ${SUMS}; name an empty folder`)
  }
}

function chosen<Word extends string>(flag: string, given: string | undefined, all: readonly Word[]): readonly Word[] {
  if (given === undefined) return all
  const words = given.split(',').map((word) => word.trim())
  const unknown = words.find((word) => !all.some((one) => one === word))
  if (unknown !== undefined) {
    throw new UsageError(`--${flag}: ${JSON.stringify(unknown)} is not known; valid values: ${all.join(', ')}`)
  }
  return all.filter((word) => words.includes(word))
}

async function writeBelow(folder: string, { path: name, mode, data }: PackedFile): Promise<void> {
  const file = path.join(folder, name)
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, data, { mode })
}

process.exitCode = await runProgram(PROGRAM, process.argv.slice(2), processIo('npm run package'))

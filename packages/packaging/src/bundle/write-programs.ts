import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { SERVICE_NAMES } from '@muster/domain'
import { VERSION } from '@muster/runtime'
import { bundleProgram } from './bundle-program.ts'
import { bundleService } from './bundle-service.ts'

/**
 * Writes the bundle of every program into a folder, to be run from there: they start in half the time of the programs of
 * a checkout. @returns the file of each, by the name of its program
 */
export async function writePrograms(folder: string): Promise<Record<string, string>> {
  const release = { version: VERSION, commit: undefined }
  const services = SERVICE_NAMES.map(async (name) => {
    const { code, files } = await bundleService(name, release)
    const own = path.join(folder, name)
    for (const file of [{ path: 'main.mjs', data: code }, ...files]) {
      const target = path.join(own, file.path)
      await mkdir(path.dirname(target), { recursive: true })
      await writeFile(target, file.data)
    }
    return [name, path.join(own, 'main.mjs')]
  })
  const programs = (['muster', 'musterctl'] as const).map(async (name) => {
    const { code } = await bundleProgram(name, release)
    const file = path.join(folder, `${name}.cjs`)
    await mkdir(folder, { recursive: true })
    await writeFile(file, code)
    return [name, file]
  })
  return Object.fromEntries(await Promise.all([...services, ...programs])) as Record<string, string>
}

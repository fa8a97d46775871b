import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { type DescriptorOf, SERVICE_NAMES, type ServiceName } from '@muster/domain'
import { serviceFields } from '@muster/service-kit'
import type { z } from 'zod'

interface ServiceConfigModule {
  configSchema: z.ZodObject
  DESCRIPTOR: DescriptorOf<ServiceName>
}

interface Row {
  name: string
  /** `required`, `none`, empty, or a default in backticks. */
  fallback: string
}

const fileOf = (name: ServiceName, file: string) => new URL(`../../../services/${name}/${file}`, import.meta.url)

async function configOf(name: ServiceName): Promise<ServiceConfigModule> {
  return (await import(fileOf(name, 'src/config.ts').href)) as ServiceConfigModule
}

/** The rows of the table of variables in the README of a service. */
function rowsOf(name: ServiceName): Row[] {
  const lines = readFileSync(fileOf(name, 'README.md'), 'utf8').split('\n')
  return lines
    .map((line) => /^\| `(?<name>MUSTER_\w+)` *\|(?<fallback>[^|]*)\|/.exec(line)?.groups)
    .filter((groups) => groups !== undefined)
    .map((groups) => ({ name: groups['name']!, fallback: groups['fallback']!.trim() }))
}

/** The faults of a row, by the field that reads the variable. */
function problemOf({ name, fallback }: Row, field: z.ZodType): string | undefined {
  const unset = field.safeParse(undefined)
  if (!unset.success) return fallback === 'required' ? undefined : `${name} is required`
  if (fallback === 'required') return `${name} is not required`
  if (fallback === '' || fallback === 'none') {
    const isNothing = unset.data === '' || (Array.isArray(unset.data) && unset.data.length === 0)
    return isNothing ? undefined : `${name} has a default`
  }
  const written = field.safeParse(fallback.replaceAll('`', ''))
  const isSame = written.success && JSON.stringify(written.data) === JSON.stringify(unset.data)
  return isSame ? undefined : `${name} has another default than ${fallback}`
}

describe.each(SERVICE_NAMES)('the README of %s', (name) => {
  test('the README lists every variable that the service reads, once, and no other', async () => {
    const { configSchema } = await configOf(name)
    const rows = rowsOf(name).map((row) => row.name)
    expect(rows.sort()).toEqual(Object.keys(configSchema.shape).sort())
  })

  test('the README says which variables are required, and the default of each other variable', async () => {
    const { shape } = (await configOf(name)).configSchema
    const problems = rowsOf(name).map((row) => problemOf(row, shape[row.name] as z.ZodType))
    expect(problems.length).toBeGreaterThan(5)
    expect(problems.filter((problem) => problem !== undefined)).toEqual([])
  })

  test('the service reads all variables of its descriptor', async () => {
    const { configSchema, DESCRIPTOR } = await configOf(name)
    expect(DESCRIPTOR.name).toBe(name)
    expect(Object.keys(configSchema.shape)).toEqual(expect.arrayContaining(Object.keys(serviceFields(DESCRIPTOR))))
  })
})

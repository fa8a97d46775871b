import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { ConfigError, fileContent, fileText, listOf, parseConfig, parsedBy } from './config.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-config-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function file(name: string, content: string | Buffer): Promise<string> {
  const target = path.join(folder, name)
  await writeFile(target, content)
  return target
}

function problemsOf(run: () => unknown): string[] {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').slice(1)
    throw error
  }
  return []
}

describe('a configuration', () => {
  test('a configuration reports every problem, each with its variable', () => {
    const schema = z.object({
      ADDRESS: parsedBy((text) => {
        throw new Error(`${text} is no address`)
      }),
      SIZE: z.coerce.number().int().max(5),
      SECRET_FILE: fileText(),
      NEEDED: z.string(),
      FINE: z.string(),
    })
    const problems = problemsOf(() =>
      parseConfig(schema, { ADDRESS: 'x', SIZE: '9', SECRET_FILE: path.join(folder, 'none'), FINE: 'yes' }),
    )
    expect(problems).toHaveLength(4)
    expect(problems[0]).toBe('  ADDRESS: x is no address')
    expect(problems[1]).toMatch(/^ {2}SIZE: /)
    expect(problems[2]).toBe(`  SECRET_FILE: there is no file ${path.join(folder, 'none')}`)
    expect(problems[3]).toBe('  NEEDED: is not set')
  })

  test('a configuration treats an empty variable as not set', () => {
    const schema = z.object({ LEVEL: z.string().default('info'), NEEDED: z.string() })
    expect(problemsOf(() => parseConfig(schema, { LEVEL: '', NEEDED: '' }))).toEqual(['  NEEDED: is not set'])
    expect(parseConfig(schema, { LEVEL: '', NEEDED: 'x' })).toEqual({ LEVEL: 'info', NEEDED: 'x' })
  })

  test('a configuration is frozen', () => {
    const config = parseConfig(z.object({ A: z.string() }), { A: 'x' })
    expect(() => Object.assign(config, { A: 'y' })).toThrow(TypeError)
  })

  test('a configuration has only the variables of the schema', () => {
    expect(parseConfig(z.object({ A: z.string() }), { A: 'x', OTHER: 'secret' })).toEqual({ A: 'x' })
  })
})

describe('a variable that names a file', () => {
  test('a variable that names a file has the content of the file as its value', async () => {
    const schema = z.object({ TEXT: fileText(), BYTES: fileContent() })
    const target = await file('text', ' a line \n')
    expect(parseConfig(schema, { TEXT: target, BYTES: target })).toEqual({
      TEXT: 'a line',
      BYTES: Buffer.from(' a line \n'),
    })
  })

  test('a variable that names a file is refused when the file is empty or a folder', async () => {
    const schema = z.object({ TEXT: fileText() })
    const target = await file('empty', ' \n')
    expect(problemsOf(() => parseConfig(schema, { TEXT: target }))).toEqual(['  TEXT: the file is empty'])
    expect(problemsOf(() => parseConfig(schema, { TEXT: folder }))[0]).toBe(`  TEXT: ${folder} is a folder`)
  })
})

describe('a variable that is a list', () => {
  const schema = z.object({ LIST: listOf((text) => text.toUpperCase()) })

  test('a variable that is a list is split at commas', () => {
    expect(parseConfig(schema, { LIST: ' a, b,,c ' })).toEqual({ LIST: ['A', 'B', 'C'] })
  })

  test('a variable that is a list needs one entry', () => {
    expect(problemsOf(() => parseConfig(schema, { LIST: ' , ' }))).toEqual(['  LIST: is an empty list'])
  })

  test('a secret in a file is read without what is around it; quotes and UTF-16 are named', async () => {
    const schema = z.object({ SECRET_FILE: fileText() })
    const read = async (content: string | Buffer) => {
      const SECRET_FILE = await file('secret', content)
      return parseConfig(schema, { SECRET_FILE }).SECRET_FILE
    }
    expect(await read('\ufeff  secret\r\n')).toBe('secret')
    for (const [content, problem] of [
      [Buffer.from('\ufeffsecret', 'utf16le'), 'the file is UTF-16'],
      ['"secret"', 'the file stands in quotes; remove them'],
    ] as const) {
      await expect(read(content)).rejects.toThrow(`SECRET_FILE: ${problem}`)
    }
  })
})

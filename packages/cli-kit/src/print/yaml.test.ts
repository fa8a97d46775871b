import { spawnSync } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { canRun } from '@muster/testkit/tools'
import fc from 'fast-check'
import { parse } from 'yaml'
import { toYaml } from './print.ts'

/** Texts that YAML 1.1, YAML 1.2 or both would read as another type, or that break a document. */
const TRICKY = [
  ['yes', 'Yes', 'NO', 'no', 'on', 'Off', 'y', 'N', 'true', 'False', 'null', 'Null', '~', ''],
  ['12:30:45', '190:20:30', '1:20', '12:30:45.5', '2026-11-28', '2026-11-28T10:00:00Z', '2001-12-14 21:59:43.10 -5'],
  [
    '0',
    '-1',
    '+12',
    '017',
    '0o17',
    '0x1F',
    '0b101',
    '1_000',
    '1e3',
    '1.5e+3',
    '.5',
    '1.',
    '.inf',
    '-.INF',
    '.nan',
    '6.8523015e+5',
  ],
  ['<<', '=', '- a', 'a: b', 'a #b', '#a', '&a', '*a', '!a', '%a', '@a', '`a`', '|', '>', '{a}', '[a]', ','],
  [' a', 'a ', 'a\nb', 'a\tb', '\u0085', '\u2028', '\ufeff', "it's", '"q"', '---', '...', '? a', ': a', 'a:', '\\x'],
].flat()

const data = (texts: readonly string[]) => ({
  values: texts,
  keys: Object.fromEntries(texts.map((text, i) => [text, String(i)])),
  nested: texts.map((text) => ({ [text]: text })),
})

describe('YAML output', () => {
  test.each(['1.1', '1.2'] as const)('YAML output is read back as the same texts by YAML %s', async (version) => {
    const written = await toYaml(data(TRICKY))
    // `merge` off: a key that says << is data.
    expect(parse(written, { version, merge: false })).toEqual(data(TRICKY))
  })

  test('YAML output of ordinary names has no quotes', async () => {
    expect(await toYaml({ name: 'web-1', roles: ['node', 'db.eu_1'], id: 'a0b7' })).toBe(
      'name: web-1\nroles:\n  - node\n  - db.eu_1\nid: a0b7\n',
    )
  })

  // Where Python is; the table above always holds.
  const testWithPyYaml = canRun('python3', '-c', 'import yaml') ? test : test.skip
  testWithPyYaml('YAML output is read back as the same texts by PyYAML, whatever they are', async () => {
    const piece = fc.oneof(
      fc.constantFrom(...TRICKY),
      fc.stringMatching(/^[-+.:_0-9a-fA-FxoTZ ]{1,14}$/),
      fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => text === Buffer.from(text).toString()),
    )
    const samples = fc.sample(fc.uniqueArray(piece, { minLength: 1, maxLength: 12 }), { numRuns: 200, seed: 7 })
    const documents = await Promise.all(samples.map((texts) => toYaml(data(texts))))
    const program = 'import sys, json, yaml; json.dump([yaml.safe_load(d) for d in json.load(sys.stdin)], sys.stdout)'
    const { stdout, stderr } = spawnSync('python3', ['-c', program], {
      input: JSON.stringify(documents),
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual(samples.map((texts) => data(texts)))
  })
})

import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { reportJson } from './report.ts'
import { upgradeJson } from '../upgrade/upgrade-json.ts'

const DOCUMENT = readFileSync(new URL('../../../../docs/cli-output.md', import.meta.url), 'utf8')

/** The keys in the table under a heading. */
function keysUnder(heading: string): string[] {
  const [, section = ''] = DOCUMENT.split(`\n## \`${heading}\`\n`)
  return [...section.split('\n## ')[0]!.matchAll(/^\| `(\w+)`/gm)].map(([, key]) => key!)
}

describe('the output of muster for programs', () => {
  test('the output of muster status has the keys that are documented', () => {
    const nothing = { profile: undefined, certificate: undefined, pid: undefined, lastBeatAt: undefined }
    const keys = Object.keys(reportJson({ dataDir: '', ...nothing, problems: [], versions: {}, warnings: [] }))
    expect(keysUnder('muster status').toSorted()).toEqual(keys.toSorted())
  })

  test('the output of muster upgrade --check has the keys that are documented', () => {
    const plan = { from: '1.0.0', to: '1.0.0', action: 'none' } as const
    const keys = Object.keys(upgradeJson(plan, { address: '' }, { program: '', scriptFlags: undefined }))
    expect(keysUnder('muster upgrade --check').toSorted()).toEqual(keys.toSorted())
  })
})

import { spawnSync } from 'node:child_process'
import { expect, test } from '@jest/globals'

test('testkit can be imported outside of jest, as the bench does, apart from its tools', () => {
  const module = new URL('../dist/index.js', import.meta.url).href
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', 'await import(process.argv[1])', module],
    {
      encoding: 'utf8',
    },
  )
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

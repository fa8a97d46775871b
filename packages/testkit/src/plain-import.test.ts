import { spawnSync } from 'node:child_process'
import { expect, test } from '@jest/globals'

test.each(['index', 'log', 'rpc', 'store', 'global-stores'])(
  'testkit can be imported outside of jest, as the bench does, apart from its tools: %s',
  (entry) => {
    const module = new URL(`../dist/${entry}.js`, import.meta.url).href
    const args = ['--input-type=module', '-e', 'await import(process.argv[1])', module]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  },
)

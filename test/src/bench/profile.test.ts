import { expect, test } from '@jest/globals'
import { functionOf, packageOf, selfTimes, type CpuProfile } from './profile.ts'

const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 9 })

/** issue() of pki calls sign() of Node, which calls native code; beside it the loop waits and the profiler works. */
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 5, 6, 8] },
    { id: 2, callFrame: frame('issue', 'file:///app/packages/pki/dist/leaf.js'), children: [3] },
    { id: 3, callFrame: frame('sign', 'node:internal/crypto/sig'), children: [4] },
    { id: 4, callFrame: frame('run') },
    { id: 5, callFrame: frame('(idle)') },
    { id: 6, callFrame: frame('post', 'node:inspector'), children: [7] },
    { id: 7, callFrame: frame('dispatch') },
    { id: 8, callFrame: frame('query', 'file:///app/node_modules/.pnpm/pg@8/node_modules/pg/lib/client.js') },
  ],
  samples: [2, 4, 4, 3, 5, 7, 8],
  timeDeltas: [1_000, 2_000, 3_000, 500, 90_000, 90_000, 4_000],
}

test('time in Node and in native code counts for the package that asked for it', () => {
  expect(selfTimes(profile, packageOf)).toEqual([
    { name: 'pki', ms: 6.5 },
    { name: 'pg', ms: 4 },
  ])
})

test('a native function comes with the function that asked for it', () => {
  expect(selfTimes(profile, functionOf)[0]).toEqual({ name: 'run < issue [pki leaf.js:10]', ms: 5 })
})

import { expect, test } from '@jest/globals'
import { reachability } from './reachability.ts'

test('an invitation that leads each machine to itself carries a warning', () => {
  expect(reachability('muster.example:3025', 'the new node')).toBe(
    'muster.example:3025 must be reachable from the new node',
  )
  for (const address of ['127.0.0.1:3025', 'localhost:3025', '[::1]:3025']) {
    expect(reachability(address, 'there')).toMatch(`WARNING: ${address} leads each machine to itself`)
  }
})

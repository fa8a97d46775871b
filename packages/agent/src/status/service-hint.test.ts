import { expect, test } from '@jest/globals'
import os from 'node:os'
import { serviceHint } from './service-hint.ts'

test('a person without an identity is told of the service of the machine, where there is one', () => {
  const service = os.tmpdir()
  expect(serviceHint('/home/a/.local/share/muster', service)).toMatch(/see 'sudo muster status'$/)
  expect(serviceHint(service, service)).toBeUndefined()
  expect(serviceHint('/home/a/.local/share/muster', '/no/such/folder')).toBeUndefined()
})

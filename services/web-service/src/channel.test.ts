import { expect, test } from '@jest/globals'
import { parseChannel, parseVersion } from './channel.ts'

test('a version is read with and without its v', () => {
  expect([parseVersion('1.2.3'), parseVersion('v1.2.3-rc.1')]).toEqual(['1.2.3', '1.2.3-rc.1'])
  for (const wrong of ['', '1.2', 'latest', '1.2.3 ', '1.2.3\n', 'vv1.2.3']) {
    expect(() => parseVersion(wrong)).toThrow('is not a version such as 1.2.3')
  }
})

test('a channel is a name and a version', () => {
  expect(parseChannel('stable=v1.2.3')).toEqual({ name: 'stable', version: '1.2.3' })
  for (const wrong of ['stable', '=1.2.3', 'Stable=1.2.3', 'a=1.2.3=4', '../x=1.2.3', 'stable=']) {
    expect(() => parseChannel(wrong)).toThrow()
  }
})

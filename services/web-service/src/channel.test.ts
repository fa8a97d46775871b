import { expect, test } from '@jest/globals'
import { parseChannel } from './channel.ts'

test('a channel is a name and a version', () => {
  expect(parseChannel('stable=v1.2.3')).toEqual({ name: 'stable', version: '1.2.3' })
  for (const wrong of [
    'stable',
    '=1.2.3',
    'Stable=1.2.3',
    'a=1.2.3=4',
    '../x=1.2.3',
    'stable=',
    'stable=latest',
    'stable=vv1.2.3',
  ]) {
    expect(() => parseChannel(wrong)).toThrow()
  }
})

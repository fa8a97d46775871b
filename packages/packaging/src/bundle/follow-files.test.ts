import { describe, expect, test } from '@jest/globals'
import { followFiles } from './follow-files.ts'

const file = '/src/services/boats/dist/app.js'

describe('the code of a service', () => {
  test('looks beside the bundle for the files of its package', () => {
    const code = `const A = new URL('../migrations', import.meta.url), b = read(new URL("../a/b.bin", import.meta.url))`
    expect(followFiles(code, file)).toEqual({
      code: `const A = new URL('./files/boats/migrations', import.meta.url), b = read(new URL('./files/boats/a/b.bin', import.meta.url))`,
      beside: [
        { source: '/src/services/boats/migrations', target: 'files/boats/migrations' },
        { source: '/src/services/boats/a/b.bin', target: 'files/boats/a/b.bin' },
      ],
    })
  })

  test('in a folder of its package finds the same file', () => {
    const code = `new URL('../../migrations', import.meta.url)`
    expect(followFiles(code, '/src/services/boats/dist/store/open.js').beside).toEqual([
      { source: '/src/services/boats/migrations', target: 'files/boats/migrations' },
    ])
  })

  test('that reads a file of another package is rejected', () => {
    const code = `new URL('../../audit/migrations', import.meta.url)`
    expect(() => followFiles(code, file)).toThrow('reads ../../audit/migrations, which is not in its package')
  })

  test.each([
    'import.meta.dirname',
    'import.meta.filename',
    `new URL('./notes', import.meta.url)`,
    'f(import.meta.url)',
  ])('that finds files by %s is rejected', (code) => {
    expect(() => followFiles(code, file)).toThrow('/app.js uses import.meta in a way that a bundle cannot follow')
  })
})

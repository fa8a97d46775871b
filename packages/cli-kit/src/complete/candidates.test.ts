import { describe, expect, test } from '@jest/globals'
import { run } from '../../test/support/program.ts'
import { scriptFor, SHELLS } from './scripts.ts'

async function after(...words: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await run(['__complete', '--', ...words])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.split('\n').slice(0, -1)
}

describe('the words that completion offers', () => {
  test.each<[string[], string[]]>([
    [['b'], ['boats\tManage boats']],
    [['boats', 'r'], ['rm\tRemove boats']],
    [['boats', 'add', '--cr'], ['--crew\tWho sails']],
    [['boats', 'add', '--kind', 's'], ['sail']],
    [['boats', 'add', '--kind=s'], ['--kind=sail']],
    [
      ['boats', 'add', '--kind', '='],
      ['sail', 'motor'],
    ],
    [['boats', 'add', '--papers', 'x'], [':files']],
    [['boats', 'add', '--papers=x'], [':files']],
    [['boats', 'add', '--crew', ''], []],
    [['boats', 'add', 'bo'], ['boat-1']],
    [['boats', 'add', 'ann', ''], []],
    [['boats', 'rm', 'ann', 'bo'], ['boat-1\tann']],
    [['boats', 'add', '--kind=motor', ''], []],
    [['completion', 'z'], ['zsh']],
    [['nonsense', ''], []],
  ])('after %j completion offers %j', async (words, expected) => {
    expect(await after(...words)).toEqual(expected)
  })

  test('the next words are printed for every shell that completion supports', async () => {
    expect(await after('completion', '')).toEqual([...SHELLS])
    for (const shell of SHELLS) expect((await run(['completion', shell])).stdout).toBe(scriptFor(shell, 'harbour'))
  })
})

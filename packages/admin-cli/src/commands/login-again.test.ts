import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { refusal } from '@muster/domain'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import { HOUR_MS, startPeople, type TestPeople } from '../../test/support/people.ts'

let cluster: TestCluster
let people: TestPeople

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())
beforeEach(async () => {
  people = await startPeople(cluster)
})
afterEach(() => people.close())

const CLUSTER = 'muster.internal'
const store = (...parts: string[]) => path.join(people.home, '.muster', ...parts)

describe('login where there is a login already', () => {
  test("login replaces one's own identity, and another person's only once the session is over or with --force", async () => {
    await people.login()
    expect(await people.login()).toMatchObject({ status: 0 })
    const { status, stderr } = await people.login({ user: 'bob' })
    expect(stderr).toContain(`already logged in to ${CLUSTER} as ada; the token was not sent\n`)
    expect(stderr).toContain('--force')
    expect(people.signups).toHaveLength(2)
    expect(status).toBe(1)
    expect(await people.login({ user: 'bob', flags: ['--force'] })).toMatchObject({ status: 0 })

    const asleep = { now: () => new Date(Date.now() + 13 * HOUR_MS) }
    expect(await people.login({ user: 'eve', io: asleep })).toMatchObject({ status: 1 })
    const over = people.hand.sessionExpiresAt
    people.hand.sessionExpiresAt = new Date(over.getTime() + 24 * HOUR_MS)
    people.hand.livesMs = 31 * 24 * HOUR_MS
    expect(await people.login({ user: 'eve', io: { now: () => over } })).toMatchObject({ status: 0 })
    expect(await readdir(store('identities', CLUSTER))).toHaveLength(1)
  })

  test('login with a token that this very login has used says that the person is logged in', async () => {
    await people.login()
    people.answers.signup = async () => {
      throw refusal('TOKEN_USED_UP', 'the token has reached its use limit')
    }
    expect((await people.login()).stderr).toBe(
      `musterctl: already logged in to ${CLUSTER} as ada; the token was used before, and is not needed\n` +
        "To log in again, ask an admin for 'musterctl users reset ada'.\n",
    )
    const gone = { HOME: path.join(people.home, 'elsewhere') }
    expect((await people.login({ io: { env: gone } })).stderr).toContain('the token has reached its use limit')
  })
})

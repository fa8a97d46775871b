import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { claim, holderOf } from './claim.ts'
import { findProcess, isRunning } from './process-ref.ts'

let root: string
let folder: string
let file: string
let number = 0

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'muster-claim-'))
})
beforeEach(async () => {
  folder = path.join(root, String(++number))
  file = path.join(folder, 'lock')
  await mkdir(folder)
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

/** The entry of a killed process whose id is in use again, by this process. */
const killed = { pid: process.pid, startedAt: 'an earlier run' }

describe('a claim', () => {
  test('a claim keeps other processes out until it is released, and names its holder', async () => {
    const held = await claim(file, 'The folder')
    expect(await holderOf(file)).toBe(process.pid)
    await expect(claim(file, 'The folder')).rejects.toThrow(`The folder is in use by process ${process.pid}.`)
    await held.release()
    expect(await holderOf(file)).toBeUndefined()
    await (await claim(file, 'The folder')).release()
    expect(await readdir(folder)).toEqual([])
  })

  test('a claim of a killed holder is taken over, even if another process has its id now', async () => {
    await writeFile(file, JSON.stringify({ owner: killed }))
    expect(await holderOf(file)).toBeUndefined()
    await claim(file, 'The folder')
    expect(await holderOf(file)).toBe(process.pid)
  })

  test('a claim that was copied with its folder keeps no process out', async () => {
    await claim(file, 'The folder')
    const copy = path.join(root, `${number}-copy`)
    await cp(folder, copy, { recursive: true, verbatimSymlinks: true })
    expect(await holderOf(path.join(copy, 'lock'))).toBeUndefined()
    await claim(path.join(copy, 'lock'), 'The copy')
    expect(await holderOf(path.join(copy, 'lock'))).toBe(process.pid)
    await expect(claim(file, 'The folder')).rejects.toThrow('in use')
  })

  test('a claim that an earlier version wrote as a file keeps other processes out while its holder runs', async () => {
    const holder = spawn('sleep', ['60'])
    await writeFile(file, JSON.stringify({ owner: findProcess(holder.pid!) }))
    await expect(claim(file, 'The folder')).rejects.toThrow(`in use by process ${holder.pid}`)
    const exited = new Promise((resolve) => holder.once('close', resolve))
    holder.kill('SIGKILL')
    await exited
    await claim(file, 'The folder')
    expect(await holderOf(file)).toBe(process.pid)
  })

  test('a claim is taken over even if an earlier takeover was killed halfway', async () => {
    await writeFile(file, JSON.stringify({ owner: killed }))
    await writeFile(`${file}.takeover`, JSON.stringify({ owner: killed }))
    await claim(file, 'The folder')
    expect(await readdir(folder)).toEqual(['lock'])
  })

  test('a claim names the child that a killed holder left running', async () => {
    const child = spawn('sleep', ['60'])
    const exited = new Promise((resolve) => child.once('close', resolve))
    await writeFile(file, JSON.stringify({ owner: killed, child: findProcess(child.pid!) }))
    const held = await claim(file, 'The folder')
    expect(held).toMatchObject({ leftover: { pid: child.pid }, leftoverUnknown: false })
    child.kill('SIGKILL')
    await exited
    expect(isRunning(held.leftover!)).toBe(false)
  })

  test.each([
    ['had no holder', undefined],
    ['a killed process held', killed],
  ])('a claim that %s goes to one of 64 callers at once', async (_what, owner) => {
    if (owner !== undefined) await writeFile(file, JSON.stringify({ owner }))
    const claims = await Promise.allSettled(
      Array.from({ length: 64 }, async (_, i) => {
        // Start at different times, so that some processes read while others take over.
        for (let looks = 0; looks < i % 16; looks++) await stat(folder)
        return claim(file, 'The folder')
      }),
    )
    expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const { reason } of claims.filter((one) => one.status === 'rejected')) {
      expect(String(reason)).toContain(`in use by process ${process.pid}`)
    }
    expect(await readdir(folder)).toEqual(['lock'])
  })

  test.each([
    ['empty', ''],
    ['torn', '{"owner":{"pid":12'],
    ['of zeros', '\0'.repeat(120)],
    ['of another kind', '[]'],
    ['null', 'null'],
    ['a number', '7'],
  ])('a claim that is %s after a power cut is taken over, and may have left a child', async (_what, text) => {
    await writeFile(file, text)
    expect(await holderOf(file)).toBeUndefined()
    expect(await claim(file, 'The folder')).toMatchObject({ leftoverUnknown: true, leftover: undefined })
    expect(await holderOf(file)).toBe(process.pid)
    expect(await readdir(folder)).toEqual(['lock'])
  })

  test('a claim that is a link to anything else is taken over', async () => {
    await symlink('/etc/passwd', file)
    await claim(file, 'The folder')
    expect(await holderOf(file)).toBe(process.pid)
  })

  test('a takeover that was killed before it wrote its entry ends with the next one', async () => {
    await writeFile(file, JSON.stringify({ owner: killed }))
    await writeFile(`${file}.takeover`, '')
    await claim(file, 'The folder')
    expect(await readdir(folder)).toEqual(['lock'])
  })

  test('a folder in place of the claim is left alone, and the error names it', async () => {
    await mkdir(path.join(file, 'inside'), { recursive: true })
    await expect(claim(file, 'The folder')).rejects.toMatchObject({ code: 'EISDIR' })
    expect(await readdir(file)).toEqual(['inside'])
  })

  test('a claim fits into the inode of common file systems, with a child too', async () => {
    const held = await claim(file, 'The folder')
    await held.setChild(process.ppid)
    expect(Buffer.byteLength(await readlink(file))).toBeLessThan(80)
  })
})

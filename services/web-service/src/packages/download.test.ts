import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { eventually } from '@muster/testkit'
import { Download } from './download.ts'
import { Progress } from './progress.ts'

const content = Buffer.alloc(300_000, 'muster')
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-download-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A download whose source must pause while `budget.isOver`. */
async function startDownload(budget = { isOver: false }) {
  const name = path.join(folder, 'package')
  await writeFile(name, content)
  const file = await open(name)
  const charged: number[] = []
  const asked = { pauses: 0 }
  const pauseMs = () => {
    asked.pauses += 1
    return budget.isOver ? 1 : 0
  }
  const progress = new Progress(() => performance.now())
  const charge = (bytes: number) => void charged.push(bytes)
  const download = new Download({ file, bytes: content.length, progress, charge, pauseMs })
  return { name, file, download, charged, asked }
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)

test('a download gives the bytes of the file, charges them, and closes the file', async () => {
  const { download, charged, file } = await startDownload()
  expect((await buffer(download)).equals(content)).toBe(true)
  expect(sum(charged)).toBe(content.length)
  await eventually('closed', () => file.fd === -1)
})

test('a download pauses while its source is over its budget, then goes on', async () => {
  const budget = { isOver: true }
  const { download, charged, asked } = await startDownload(budget)
  const whole = buffer(download)
  await eventually('asked again', () => asked.pauses > 3)
  expect(charged).toEqual([])
  budget.isOver = false
  expect((await whole).equals(content)).toBe(true)
})

test('a download that ends while it pauses closes the file and asks no more', async () => {
  const { download, asked, file } = await startDownload({ isOver: true })
  download.resume()
  await eventually('paused', () => asked.pauses > 0)
  download.destroy()
  await eventually('closed', () => file.fd === -1)
  const before = asked.pauses
  await new Promise(setImmediate)
  expect(asked.pauses).toBe(before)
})

test('a download of a file that becomes shorter fails, since its length was told', async () => {
  const { download, name } = await startDownload()
  await truncate(name, 100_000)
  await expect(buffer(download)).rejects.toThrow('has become shorter')
})

test('a download of a file that grows ends at the length that was told', async () => {
  const { download, name } = await startDownload()
  await truncate(name, content.length + 1)
  expect(await buffer(download)).toHaveLength(content.length)
})

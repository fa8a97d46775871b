import { spawn } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { metered } from './meter.ts'
import { parsePsLine, parseStat, readProcesses, withDescendants } from './process-usage.ts'

const clock = { tickMs: 10, pageBytes: 4096 }

describe('parseStat', () => {
  test('parseStat adds user and system time of the process and of its ended children', () => {
    const line =
      '42 (node) S 7 42 42 0 -1 4194304 97 0 0 0 11 22 33 44 20 0 1 0 327076 3133440 349 18446744073709551615'
    expect(parseStat(line, clock)).toEqual({ pid: 42, parent: 7, cpuMs: 1100, rssBytes: 349 * 4096 })
  })

  test('parseStat reads a process name with spaces and parentheses', () => {
    const line = '42 (a) b (c) S 7 42 42 0 -1 4194304 97 0 0 0 1 0 0 0 20 0 1 0 327076 3133440 349 0'
    expect(parseStat(line, clock)).toMatchObject({ parent: 7, cpuMs: 10 })
  })
})

describe('parsePsLine', () => {
  test.each([
    ['  42     7  1024   0:01.50', 1_500],
    ['42 7 1024 1:02:03', 3_723_000],
    ['42 7 1024 2-00:00:01', 172_801_000],
  ])('parsePsLine reads %j', (line, cpuMs) => {
    expect(parsePsLine(line)).toEqual({ pid: 42, parent: 7, cpuMs, rssBytes: 1024 * 1024 })
  })
})

test('a process is found together with its children', async () => {
  const child = spawn('sleep', ['30'])
  try {
    const pids = withDescendants(process.pid, readProcesses()).map(({ pid }) => pid)
    expect(pids).toEqual(expect.arrayContaining([process.pid, child.pid]))
  } finally {
    child.kill('SIGKILL')
  }
})

test('work is charged to the process that does it', async () => {
  const idle = spawn('sleep', ['30'])
  try {
    const groups = { busy: () => process.pid, idle: () => idle.pid, absent: () => undefined }
    const { cpuMs, wallMs } = await metered(groups, async () => {
      const end = process.cpuUsage().user + 200_000
      while (process.cpuUsage().user < end);
    })
    expect(cpuMs['busy']).toBeGreaterThanOrEqual(150)
    expect(cpuMs).toMatchObject({ idle: 0, absent: 0 })
    expect(wallMs).toBeGreaterThanOrEqual(150)
  } finally {
    idle.kill('SIGKILL')
  }
})

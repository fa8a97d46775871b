import { describe, expect, test } from '@jest/globals'
import { HeartbeatPace } from './heartbeat-pace.ts'

describe('the pace of heartbeats', () => {
  const pace = new HeartbeatPace({ baseIntervalMs: 5_000, missedLimit: 3, beatsPerSecond: 2_000 })

  test.each([
    [0, 5_000],
    [1, 5_000],
    [10_000, 5_000],
    [10_001, 5_001],
    [100_000, 50_000],
  ])('the pace of heartbeats for %d nodes is a beat every %d ms', (nodes, intervalMs) => {
    pace.setFleetSize(nodes)
    expect(pace.intervalMs).toBe(intervalMs)
    expect(nodes / (pace.intervalMs / 1_000)).toBeLessThanOrEqual(2_000)
    expect(pace.offlineAfterMs()).toBe(3 * intervalMs)
  })

  test('the pace of heartbeats shrinks again with the fleet', () => {
    pace.setFleetSize(1_000_000)
    pace.setFleetSize(10)
    expect(pace.intervalMs).toBe(5_000)
  })

  test('the pace of heartbeats allows a node the silence of the interval that it was told', () => {
    pace.setFleetSize(10)
    expect(pace.offlineAfterMs(50_000)).toBe(150_000)
  })
})

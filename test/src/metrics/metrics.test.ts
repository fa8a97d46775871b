import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { SERVING_SERVICES, type ServingService } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { canRun, testWith } from '@muster/testkit/tools'
import { useSharedCluster } from '../harness/use-cluster.ts'

const RULES = new URL('../../../deploy/prometheus/', import.meta.url).pathname
const testWithPromtool = testWith(canRun('promtool', '--version'), 'promtool, of the package prometheus')
/** What Prometheus itself or the agent shows. */
const OTHERS = ['up', 'muster_agent_ready']

const cluster = useSharedCluster()
const metrics = {} as Record<ServingService, string>

beforeAll(async () => {
  for (const name of SERVING_SERVICES) {
    const read = async () => {
      const { diagnosticsAddress } = cluster().services[name][0]!
      metrics[name] = await (await fetch(`http://${diagnosticsAddress}/metrics`)).text()
    }
    // The first counts come a moment after the start.
    await eventually('metrics of the first round', async () => {
      await read()
      return name === 'ca-service' || /^muster_(?:nodes|tokens_live)\{/m.test(metrics[name])
    })
  }
})

const valueOf = (service: ServingService, sample: RegExp) => Number(sample.exec(metrics[service])?.[1])

describe('the metrics of a cluster', () => {
  test('the certificates of services and authorities show when they expire', () => {
    const now = Date.now() / 1_000
    for (const name of SERVING_SERVICES) {
      expect(valueOf(name, /^muster_certificate_expires_timestamp_seconds\{.*\} (\S+)$/m)).toBeGreaterThan(now)
    }
    for (const type of ['host', 'user']) {
      for (const certificate of ['root', 'issuing']) {
        const labels = `type="${type}",place="active",certificate="${certificate}"`
        const sample = new RegExp(`^muster_authority_expires_timestamp_seconds\\{${labels}.*\\} (\\S+)$`, 'm')
        expect(valueOf('ca-service', sample)).toBeGreaterThan(now + 30 * 86_400)
      }
    }
  })

  test('nodes are shown by status, live tokens by type, and streams apart from calls', () => {
    for (const status of ['online', 'offline', 'pending', 'expired', 'banned', 'unknown']) {
      const sample = new RegExp(`^muster_nodes\\{status="${status}",service="registration-service"\\} (\\d+)$`, 'm')
      expect(valueOf('registration-service', sample)).toBeGreaterThanOrEqual(0)
    }
    for (const type of ['join', 'signup', 'static']) {
      const sample = new RegExp(`^muster_tokens_live\\{type="${type}",service="token-service"\\} (\\d+)$`, 'm')
      expect(valueOf('token-service', sample)).toBeGreaterThanOrEqual(0)
    }
    expect(metrics['registration-service']).toContain('# TYPE muster_rpc_stream_duration_seconds histogram')
    expect(metrics['registration-service']).toMatch(/^muster_heartbeat_streams\{.*\} \d+$/m)
  })

  test('every metric that an alert rule reads is shown by a service', () => {
    const rules = readFileSync(`${RULES}muster.rules.yaml`, 'utf8')
    const names = new Set(rules.match(/\bmuster_[a-z_]+(?=[{ [)]| - )/g))
    const shown = new Set(Object.values(metrics).flatMap((text) => text.match(/(?<=^# TYPE )\S+/gm) ?? []))
    const missing = [...names].filter((name) => !shown.has(name.replace(/_count$/, '')) && !OTHERS.includes(name))
    expect(names.size).toBeGreaterThan(5)
    expect(missing).toEqual([])
  })

  testWithPromtool('promtool finds nothing wrong with the metrics of any service', () => {
    for (const name of SERVING_SERVICES) {
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
        input: metrics[name],
        encoding: 'utf8',
      })
      expect({ name, status, text: stdout + stderr }).toEqual({ name, status: 0, text: '' })
    }
  })
})

testWithPromtool('promtool proves each alert rule: it is quiet while all is well, and fires when it should', () => {
  const run = (...args: string[]) => spawnSync('promtool', args, { cwd: RULES, encoding: 'utf8' })
  expect(run('check', 'rules', 'muster.rules.yaml')).toMatchObject({ status: 0 })
  expect(run('test', 'rules', 'muster.rules.test.yaml')).toMatchObject({ status: 0 })
})

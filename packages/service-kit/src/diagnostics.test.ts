import { afterEach, describe, expect, test } from '@jest/globals'
import { Counter } from 'prom-client'
import { createMetrics, serveDiagnostics, type Diagnostics } from './diagnostics.ts'

let diagnostics: Diagnostics | undefined
afterEach(async () => {
  await diagnostics?.close()
})

async function open(isReady: () => boolean): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  const registry = createMetrics('test-service')
  new Counter({ name: 'muster_test_total', help: 'x', registers: [registry] }).inc(3)
  const opened = await serveDiagnostics('127.0.0.1:0', registry, isReady)
  diagnostics = opened
  return (path, init) => fetch(`http://${opened.address}${path}`, init)
}

describe('the diagnostics address', () => {
  test('the diagnostics address reports healthy while the process runs, and ready only while the service is', async () => {
    let ready = false
    const get = await open(() => ready)
    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(503)
    ready = true
    expect((await get('/readyz')).status).toBe(200)
  })

  test('the diagnostics address shows the metrics of the service and of the process', async () => {
    const get = await open(() => true)
    const response = await get('/metrics')
    expect(response.headers.get('content-type')).toContain('text/plain')
    const text = await response.text()
    expect(text).toContain('muster_test_total{service="test-service"} 3')
    expect(text).toMatch(/process_cpu_seconds_total\{service="test-service"\} /)
  })

  test('the diagnostics address serves nothing else', async () => {
    const get = await open(() => true)
    expect((await get('/')).status).toBe(404)
    expect((await get('/metrics/../../etc/passwd')).status).toBe(404)
    expect((await get('/healthz', { method: 'POST' })).status).toBe(405)
  })

  test('a diagnostics address that is in use is an error', async () => {
    await open(() => true)
    await expect(serveDiagnostics(diagnostics!.address, createMetrics('x'), () => true)).rejects.toThrow('EADDRINUSE')
  })

  test('the diagnostics address closes at once, even with connections open', async () => {
    const get = await open(() => true)
    await get('/healthz', { headers: { connection: 'keep-alive' } })
    await diagnostics!.close()
    await expect(get('/healthz')).rejects.toThrow()
  })
})

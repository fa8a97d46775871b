import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { test } from '@jest/globals'
import { canRun, testInCi } from '@muster/testkit/tools'

/** Where Debian and Ubuntu put the module that they do not build into nginx. */
const DEBIAN_STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so'

/** The line with which the configuration of nginx begins; undefined where nginx cannot pass TCP on. */
export const nginxModules: string | undefined = (() => {
  const { stderr } = spawnSync('nginx', ['-V'], { encoding: 'utf8' })
  if (typeof stderr !== 'string') return undefined
  if (existsSync(DEBIAN_STREAM_MODULE)) return `load_module ${DEBIAN_STREAM_MODULE};`
  return / --with-stream( |$)/m.test(stderr) ? '' : undefined
})()

/** A test that needs HAProxy. */
export const testWithHaproxy: typeof test = testInCi(canRun('haproxy', '-v'), 'haproxy')

/** A test that needs nginx with its stream module. */
export const testWithNginx: typeof test = testInCi(nginxModules !== undefined, 'nginx with its stream module')

import { repeatEvery } from '@muster/runtime'
import { openService, type ServiceStart } from '@muster/service-kit'
import { type Config, DESCRIPTOR } from './config.ts'
import { tokenService } from './rpc/service.ts'
import { StaticTokens } from './static/static-tokens.ts'
import { purgeTokens } from './store/purge.ts'
import { showTokens } from './token-metric.ts'

const MIGRATIONS = new URL('../migrations', import.meta.url)
const PURGE_EVERY_MS = 60 * 60_000

/** Opens token-service: the tokens, and what every service has. */
export async function startApp(start: ServiceStart<Config>): Promise<void> {
  const { config, log, life, clock } = start
  const { pool, audit, background, metrics, join } = await openService(DESCRIPTOR, start, MIGRATIONS)

  const staticTokens = new StaticTokens(config.MUSTER_CONFIG_FILE, pool, config.MUSTER_PEPPER_FILE, log)
  await staticTokens.store()
  life.own('static tokens', { ended: staticTokens.watch(clock, life.signal) }, ({ ended }) => ended)
  const purge = async (signal: AbortSignal) => {
    const count = await purgeTokens(pool, staticTokens.configured, config.MUSTER_TOKEN_RETENTION, signal)
    log.debug({ event: 'tokens.purged', count }, 'purged old tokens')
  }
  repeatEvery({ task: 'token-purge', everyMs: PURGE_EVERY_MS, work: purge }, background)

  showTokens(metrics, pool, background)

  const { serve } = await join()
  await serve({ services: [tokenService({ config, pool, refusals: audit.refusals, staticTokens, clock })] })
}

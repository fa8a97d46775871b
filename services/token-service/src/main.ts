import { runMain } from '@muster/service-kit'
import { configSchema, startApp } from './app.ts'

await runMain({ name: 'token-service', schema: configSchema, start: startApp }, process.env, process.argv.slice(2))

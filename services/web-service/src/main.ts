import { runMain } from '@muster/service-kit'
import { startApp } from './app.ts'
import { configSchema, DESCRIPTOR } from './config.ts'

await runMain({ name: DESCRIPTOR.name, configSchema, start: startApp }, process.env, process.argv.slice(2))

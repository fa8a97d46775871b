import { processIo } from '@muster/cli-kit/run'
import { runMain } from '@muster/service-kit'
import { startApp } from './app.ts'
import { issueAdmin } from './break-glass/issue-admin.ts'
import { configSchema, DESCRIPTOR } from './config.ts'

const [command, ...argv] = process.argv.slice(2)
if (command === 'issue-admin') process.exitCode = await issueAdmin(argv, processIo('ca-service'))
else await runMain({ name: DESCRIPTOR.name, configSchema, start: startApp }, process.env, process.argv.slice(2))

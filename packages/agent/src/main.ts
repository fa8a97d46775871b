import { runMuster } from './run-process.ts'

await runMuster()

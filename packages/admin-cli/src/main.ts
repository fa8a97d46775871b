import { runMusterctl } from './run-process.ts'

await runMusterctl()

export { main, MUSTER } from './cli.ts'
export { runMuster } from './run-process.ts'

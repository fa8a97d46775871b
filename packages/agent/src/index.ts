export { main, MUSTER } from './cli.ts'
export { runMuster } from './run-process.ts'
export { UNIT, unitText } from './systemd/unit.ts'

export { main, type Io } from './cli.ts'

export { claim, inUse, holderOf, type Claim } from './claim.ts'
export { commandLine, findProcess, isRunning, type ProcessRef } from './process-ref.ts'

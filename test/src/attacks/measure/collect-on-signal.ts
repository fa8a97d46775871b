import { collectGarbage } from '../../bench/collect.ts'

// Loaded into a service by `node --import`: SIGUSR2 makes it collect garbage, so that its memory can be compared.
process.on('SIGUSR2', () => void collectGarbage())

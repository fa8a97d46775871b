import { freshCalls, handshakes, joins, prepareJoins } from './load-connections.ts'
import { inserts, pipelinedSets, selectPages, selectTokenPages } from './load-stores.ts'
import { floodCalls, floodHandshakes } from './load-strangers.ts'
import { beats, closeStreams, openStreams } from './load-streams.ts'
import { serveTasks } from './worker.ts'

// A process that makes load. Its CPU time is not counted for the servers.
const tasks = {
  prepareJoins,
  joins,
  freshCalls,
  handshakes,
  floodHandshakes,
  floodCalls,
  inserts,
  pipelinedSets,
  selectPages,
  selectTokenPages,
  openStreams,
  beats,
  closeStreams,
}
export type LoadTasks = typeof tasks
serveTasks(tasks)

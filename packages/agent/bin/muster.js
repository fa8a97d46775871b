#!/usr/bin/env node
// First of all, since a token given on the command line stands in the process list until this is done.
process.title = 'muster'
await import('../dist/main.js')

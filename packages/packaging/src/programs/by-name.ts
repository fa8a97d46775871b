import path from 'node:path'

// The entry of the executable: `musterctl` is a link to `muster`, and argv0 is the name that was typed.
const isMusterctl = path.basename(process.argv0) === 'musterctl'

// First of all, since a token given on the command line stands in the process list until this is done.
process.title = isMusterctl ? 'musterctl' : 'muster'

// No top-level await: the executable is CommonJS. A program loads only its own half of the file.
void (isMusterctl
  ? import('@muster/admin-cli').then(({ runMusterctl }) => runMusterctl())
  : import('@muster/agent').then(({ runMuster }) => runMuster()))

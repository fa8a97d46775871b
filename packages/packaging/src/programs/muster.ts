// First of all, since a token given on the command line stands in the process list until this is done.
process.title = 'muster'

void import('@muster/agent').then(({ runMuster }) => runMuster())

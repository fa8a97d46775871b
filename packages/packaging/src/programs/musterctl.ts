process.title = 'musterctl'

void import('@muster/admin-cli').then(({ runMusterctl }) => runMusterctl())

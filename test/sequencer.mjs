import Sequencer from '@jest/test-sequencer'
import path from 'node:path'

/** Starts the tests of whole clusters first: they take longest and mostly wait, so the short ones of packages fill in. */
// oxlint-disable-next-line import/no-default-export -- jest asks for one
export default class LongFirst extends Sequencer {
  sort(tests) {
    const isLong = ({ path: file, context }) =>
      path.relative(context.config.rootDir, file).startsWith(`test${path.sep}`)
    // The former order stays among the long and among the short: by time where that is known, else by size.
    return super.sort(tests).sort((a, b) => Number(isLong(b)) - Number(isLong(a)))
  }
}

import { UsageError } from '../command/errors.ts'
import type { Command } from '../command/program.ts'
import { candidates, linesOf } from './candidates.ts'
import { scriptFor, SHELLS } from './scripts.ts'

/** Prints the script that makes a shell complete the arguments of the program. */
export const completion: Command = {
  options: {},
  examples: [
    ['source <($0 completion bash)', 'in this bash; add it to ~/.bashrc for every shell'],
    ['source <($0 completion zsh)', 'in this zsh; add it to ~/.zshrc after compinit'],
    ['$0 completion fish > ~/.config/fish/completions/$0.fish', 'for every fish'],
  ],
  async run({ positionals: [wanted] }, { io, program }) {
    const shell = SHELLS.find((name) => name === wanted)
    if (shell === undefined) throw new UsageError(`which shell? valid values: ${SHELLS.join(', ')}`)
    io.stdout.write(scriptFor(shell, program.name))
  },
}

/** Prints a candidate per line for the last of the words. The scripts call it. */
export const complete: Command = {
  options: {},
  examples: [['$0 __complete -- --he', 'the flags that begin so']],
  async run({ positionals }, { io, program }) {
    io.stdout.write(linesOf(await candidates(program, positionals, io)))
  },
}

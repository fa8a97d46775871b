import { UsageError } from '@muster/cli-kit'
import { defineCommand } from '../cli/command.ts'
import { candidates, linesOf, SCRIPTS } from '../cli/completion.ts'

/** Prints the script that makes a shell complete the arguments of musterctl. */
export const completion = defineCommand({
  options: {},
  examples: [
    ['source <($0 completion bash)', 'for this bash; put it into ~/.bashrc for every one'],
    ['source <($0 completion zsh)', 'for this zsh; put it into ~/.zshrc, after compinit'],
    ['$0 completion fish > ~/.config/fish/completions/musterctl.fish', 'for every fish'],
  ],
  async run({ positionals: [shell, ...others] }, { io }) {
    if (shell === undefined || others.length > 0 || !Object.hasOwn(SCRIPTS, shell)) {
      throw new UsageError(`which shell? valid values: ${Object.keys(SCRIPTS).join(', ')}`)
    }
    io.stdout.write(SCRIPTS[shell as keyof typeof SCRIPTS])
  },
})

/** What the scripts call: a candidate per line for the last of the words. Asks no service. */
export const complete = defineCommand({
  options: {},
  examples: [['$0 __complete -- tokens add --f', 'the flags that begin so']],
  async run({ positionals }, { io }) {
    io.stdout.write(linesOf(await candidates(positionals, io)))
  },
})

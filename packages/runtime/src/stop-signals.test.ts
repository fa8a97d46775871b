import { spawn } from 'node:child_process'
import { expect, test } from '@jest/globals'

test('a program notices that its parent process has ended', async () => {
  const program = `
    import { onParentGone } from '@muster/runtime'
    setInterval(() => {}, 1000)
    onParentGone(() => {
      console.log('gone')
      process.exit()
    })
    console.log('ready')`
  // Starts the program through a shell, as npm does. A signal to npm ends only the shell.
  const shell = spawn('sh', ['-c', '"$0" --input-type=module -e "$1"; true', process.execPath, program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  const ended = new Promise<void>((resolve) => shell.stdout.once('close', resolve))
  await new Promise<void>((resolve) => {
    shell.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      resolve()
    })
  })
  shell.kill('SIGKILL')
  await ended
  expect(output).toBe('ready\ngone\n')
})

import { copyFile, mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from '../harness/tool.ts'

/** A root folder in which the scripts of packages run: it has a shell, and a systemctl that writes down what it is told. */
export interface ShellRoot {
  root: string
  /** What systemctl was told since the last time, a line for each call. */
  told(): Promise<string[]>
}

/** Puts a shell, `rm`, and what looks like a running systemd into a root folder. */
export async function makeShellRoot(root: string): Promise<ShellRoot> {
  for (const program of ['sh', 'rm']) await copyProgram(program, root)
  await mkdir(path.join(root, 'run/systemd/system'), { recursive: true })
  await writeFile(path.join(root, 'bin/systemctl'), '#!/bin/sh\necho "$*" >>/told\n', { mode: 0o755 })
  const file = path.join(root, 'told')
  await writeFile(file, '')
  return {
    root,
    async told() {
      const text = await readFile(file, 'utf8')
      await writeFile(file, '')
      return text.split('\n').filter(Boolean)
    },
  }
}

/** Copies a program, and the libraries that it needs, to where they are on this machine. */
async function copyProgram(name: string, root: string): Promise<void> {
  const copy = async (file: string, to: string) => {
    await mkdir(path.dirname(path.join(root, to)), { recursive: true })
    await copyFile(file, path.join(root, to))
  }
  const { stdout: found } = await runTool('sh', ['-c', `command -v ${name}`])
  const program = await realpath(found.trim())
  await copy(program, `bin/${name}`)
  const { stdout: needed } = await runTool('ldd', [program])
  for (const [file] of needed.matchAll(/\/\S+/g)) await copy(file, file)
}

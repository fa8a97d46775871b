import { CliError, type Io } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '@muster/domain'
import { whyUnreadable } from '@muster/runtime'
import { planOf, type Outcome, type Plan } from '../documents/apply.ts'
import { defineCommand, FORMAT } from '../cli/command.ts'
import { problemOf, readDocuments } from '../documents/documents.ts'
import { EXIT } from '../cli/exit-status.ts'
import { safeText } from '@muster/domain/safe-text'

/**
 * Creates what the documents in a file describe. Checks all of them before it sends anything. Names broken and refused documents,
 * applies the others, and then ends with exit status 1. Safe to repeat.
 */
export const create = defineCommand({
  options: {
    file: {
      type: 'string',
      alias: 'f',
      required: true,
      value: 'FILE',
      names: 'file',
      describe: 'File with YAML documents, or - for standard input',
    },
    format: FORMAT,
  },
  examples: [
    ['$0 create -f tokens.yaml', 'create tokens and users; running it again changes nothing'],
    ["printf 'kind: user\\nmetadata: {name: ada}\\nspec: {roles: [viewer]}' | $0 create -f -", 'from standard input'],
    ['$0 get users -o yaml | $0 create --cluster=other.example -f -', 'the same people in another cluster'],
  ],
  async run({ file, format }, { io, now, cluster }) {
    const { text, baseDir } = await readInput(file, io)
    const { plans, problems } = await check(text, baseDir)
    problems.forEach((problem) => io.stderr.write(`musterctl: ${safeText(problem)}\n`))
    if (plans.length === 0 && problems.length === 0) throw new CliError(`${nameOf(file)} contains no documents`)
    let hasFailed = problems.length > 0
    const done: { kind: string; name: string; outcome: Outcome }[] = []
    if (plans.length > 0) {
      const services = await cluster()
      for (const { plan, where, lineOf } of plans) {
        try {
          const outcome = await plan.apply(services, now())
          done.push({ kind: plan.kind, name: plan.name, outcome })
          if (outcome === 'created' && plan.next !== undefined) io.stderr.write(`${plan.next}\n`)
        } catch (error) {
          hasFailed = true
          for (const line of failureOf(error, plan, where, lineOf)) io.stderr.write(`musterctl: ${safeText(line)}\n`)
        }
      }
    }
    await print(io, format, done, () => {
      done.forEach(({ kind, name, outcome }) => io.stdout.write(`${kind}/${name} ${outcome}\n`))
    })
    return hasFailed ? EXIT.failed : EXIT.done
  },
})

interface Checked {
  plan: Plan
  where: string
  lineOf: (field: string) => string
}

async function check(text: string, baseDir: string): Promise<{ plans: Checked[]; problems: string[] }> {
  const plans: Checked[] = []
  const problems: string[] = []
  for (const read of readDocuments(text)) {
    if ('problem' in read) {
      problems.push(read.problem)
      continue
    }
    try {
      const plan = await planOf(read.value, baseDir)
      const same = plans.find(({ plan: { kind, name } }) => kind === plan.kind && name === plan.name)
      if (same === undefined) plans.push({ plan, ...read })
      else problems.push(`${read.lineOf('metadata.name')}: ${plan.kind}/${plan.name} repeats ${same.where}`)
    } catch (error) {
      problems.push(problemOf(error, read.lineOf))
    }
  }
  return { plans, problems }
}

function failureOf(error: unknown, plan: Plan, where: string, lineOf: (field: string) => string): string[] {
  if (error instanceof AppError) return [problemOf(error, lineOf)]
  if (!(error instanceof CliError)) throw error
  const next = error.next === undefined ? [] : [error.next]
  return [`${where}: ${plan.kind}/${plan.name}: ${error.message}`, ...next]
}

const MAX_INPUT_CHARACTERS = 4 * 1024 * 1024

async function readInput(file: string, { stdin, cwd }: Io): Promise<{ text: string; baseDir: string }> {
  if (file === '-') return { text: await readAll(stdin ?? []), baseDir: cwd }
  const whole = path.resolve(cwd, file)
  const text = await readFile(whole, 'utf8').catch((error: unknown) => {
    throw new CliError(whyUnreadable(whole, error))
  })
  return { text, baseDir: path.dirname(whole) }
}

async function readAll(chunks: AsyncIterable<string | Uint8Array> | readonly never[]): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of chunks) {
    text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    if (text.length > MAX_INPUT_CHARACTERS) throw new CliError('standard input is longer than 4 MiB')
  }
  return text
}

function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file
}

import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { secretText } from '@muster/domain'
import { whyUnreadable } from '@muster/runtime'

/** A bad configuration: every problem on a line of its own. The program prints it and exits with status 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Checks the environment against a schema whose keys are variable names, and freezes the result.
 * Empty variables count as unset.
 * @throws ConfigError that lists every problem with its variable
 */
export function parseConfig<S extends z.ZodObject>(schema: S, env: NodeJS.ProcessEnv): Readonly<z.output<S>> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
  const result = schema.safeParse(given)
  if (result.success) return Object.freeze(result.data)
  const problems = result.error.issues.map((issue) => {
    const name = issue.path.join('.')
    const missing = issue.code === 'invalid_type' && given[name] === undefined
    return `  ${name}: ${missing ? 'is not set' : issue.message}`
  })
  throw new ConfigError(`The configuration is not usable:\n${problems.join('\n')}`)
}

/** A variable that names a file; its value is the content of the file. */
export function fileContent(): z.ZodType<Buffer, string> {
  return z.string().transform((path, context) => {
    try {
      return readFileSync(path)
    } catch (error) {
      context.addIssue({ code: 'custom', message: whyUnreadable(path, error) })
      return z.NEVER
    }
  })
}

/** A variable that names a text file; its value is the text, trimmed. */
export function fileText(): z.ZodType<string, string> {
  return fileContent().transform((content, context) => {
    try {
      return secretText(content, 'the file')
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
      return z.NEVER
    }
  })
}

/** Runs a parser of another package inside a schema; the message of its error becomes the problem's text. */
export function parsedBy<T>(parse: (text: string) => T): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
      return z.NEVER
    }
  })
}

/** A list with commas, each entry read by `parse`; at least one entry. */
export function listOf<T>(parse: (text: string) => T): z.ZodType<T[], string> {
  return parsedBy((text) => {
    const parts = text.split(',').filter((part) => part.trim() !== '')
    if (parts.length === 0) throw new Error('is an empty list')
    return parts.map((part) => parse(part.trim()))
  })
}

import type { Format } from '../command/options.ts'
import type { Io } from '../command/io.ts'
import { escapeUnsafe, isUnsafe } from '@muster/domain/safe-text'

/** Prints `data` as JSON or YAML, or calls `text`, which prints for people. Keys and values of `data` are a stable interface. */
export async function print({ stdout }: Io, format: Format, data: unknown, text: () => void): Promise<void> {
  if (format === 'json') stdout.write(`${toJson(data, 2)}\n`)
  else if (format === 'yaml') stdout.write(await toYaml(data))
  else text()
}

/** JSON in which characters that could control a terminal are escaped. */
export function toJson(data: unknown, indent?: number): string {
  return escapeUnsafe(JSON.stringify(data, undefined, indent))
}

/** What readers of YAML 1.1 take for a number, a time, a merge or a value beside what the library knows. */
const RETYPED = /^(?:[-+.]?\d[\d_,.:eExXoObBa-fA-F+-]*|\d{4}-\d.*|[<=]+|[yYnN])$/

/**
 * The same data as YAML, escaped in the same way. A text that YAML 1.1 or 1.2 would read as anything else is quoted: PyYAML,
 * Ansible and others read 1.1, where `yes`, `12:30:45` and dates are no texts. Ends with a newline.
 */
export async function toYaml(data: unknown): Promise<string> {
  const { Document, visit, Scalar } = await import('yaml')
  // Convert to JSON first, so that both formats agree on dates and undefined values.
  const options = { aliasDuplicateObjects: false, compat: 'yaml-1.1' } as const
  const document = new Document(JSON.parse(JSON.stringify(data)), options)
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string') return
      if (isUnsafe(node.value) || RETYPED.test(node.value)) node.type = Scalar.QUOTE_DOUBLE
    },
  })
  return escapeUnsafe(document.toString({ lineWidth: 0 }))
}

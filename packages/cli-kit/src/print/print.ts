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

/** The same data as YAML 1.2, escaped in the same way. Ends with a newline. */
export async function toYaml(data: unknown): Promise<string> {
  const { Document, visit, Scalar } = await import('yaml')
  // Convert to JSON first, so that both formats agree on dates and undefined values.
  const document = new Document(JSON.parse(JSON.stringify(data)), { aliasDuplicateObjects: false })
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'string' && isUnsafe(node.value)) node.type = Scalar.QUOTE_DOUBLE
    },
  })
  return escapeUnsafe(document.toString({ lineWidth: 0 }))
}

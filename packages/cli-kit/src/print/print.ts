import type { Format } from '../command/options.ts'
import type { Io } from '../command/io.ts'
import { escapeUnsafe, isUnsafe } from '@muster/domain/safe-text'

/** Prints `data` as JSON or YAML, or what `text` writes by itself. Keys and values of `data` are a stable interface. */
export async function print({ stdout }: Io, format: Format, data: unknown, text: () => void): Promise<void> {
  if (format === 'json') stdout.write(`${toJson(data, 2)}\n`)
  else if (format === 'yaml') stdout.write(await toYaml(data))
  else text()
}

/** JSON that is safe to show: what could act on a terminal is escaped. */
export function toJson(data: unknown, indent?: number): string {
  return escapeUnsafe(JSON.stringify(data, undefined, indent))
}

/** YAML 1.2 of the same data, safe in the same way. Ends in a newline. */
export async function toYaml(data: unknown): Promise<string> {
  const { Document, visit, Scalar } = await import('yaml')
  // Through JSON first, so that both formats say the same of dates and of what is undefined.
  const document = new Document(JSON.parse(JSON.stringify(data)), { aliasDuplicateObjects: false })
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'string' && isUnsafe(node.value)) node.type = Scalar.QUOTE_DOUBLE
    },
  })
  return escapeUnsafe(document.toString({ lineWidth: 0 }))
}

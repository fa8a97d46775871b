import { AppError } from '@muster/domain'
import { LineCounter, parseAllDocuments, type Document } from 'yaml'

/** A document of a file, or its problem. */
export type Read =
  { where: string; value: unknown; lineOf: (field: string) => string } | { where: string; problem: string }

/**
 * Reads the documents of a YAML (or JSON) text. A problem names the document by its number and line, and repeats nothing of
 * the text, which may contain a secret.
 */
export function readDocuments(text: string): Read[] {
  // Parse one by one, so that an unclosed bracket breaks only its own document.
  return piecesOf(text)
    .flatMap(({ piece, line }) => documentsOf(piece, line))
    .map(({ document, lineAt }, i): Read => {
      const start = lineAt(document.contents?.range?.[0] ?? document.range[0])
      const where = `document ${i + 1}`
      const [error] = document.errors
      if (error !== undefined) {
        const what = error.code.toLowerCase().replaceAll('_', ' ')
        return { where, problem: `${where} (line ${lineAt(error.pos[0])}): is not YAML: ${what}` }
      }
      try {
        // Allow a few aliases, but not a bomb of them.
        const value: unknown = document.toJS({ maxAliasCount: 20 })
        return { where, value, lineOf: (field) => `${where} (line ${lineOf(document, field, lineAt) ?? start})` }
      } catch {
        return { where, problem: `${where} (line ${start}): has aliases that cannot be resolved` }
      }
    })
}

/** Splits the text before each line that starts with `---`, which YAML allows only between documents (YAML 1.2 §9.1.2). */
function piecesOf(text: string): { piece: string; line: number }[] {
  let line = 1
  return text.split(/^(?=---(?:\s|$))/m).map((piece) => {
    const found = { piece, line }
    line += piece.split('\n').length - 1
    return found
  })
}

interface Parsed {
  document: Document.Parsed
  /** The line in the whole text of an offset in the piece. */
  lineAt: (offset: number) => number
}

function documentsOf(piece: string, firstLine: number): Parsed[] {
  const lines = new LineCounter()
  // The messages of the parser quote the text around an error, so only their codes are used.
  const found = parseAllDocuments(piece, { lineCounter: lines, prettyErrors: false })
  const lineAt = (offset: number) => firstLine - 1 + lines.linePos(offset).line
  return [...found].filter(isSomething).map((document) => ({ document, lineAt }))
}

/** The problem of a document with its number and line. */
export function problemOf(error: unknown, lineOf: (field: string) => string): string {
  if (!(error instanceof AppError)) throw error
  return `${lineOf(error.field ?? '')}: ${error.message}`
}

function isSomething(document: Document.Parsed): boolean {
  return document.contents !== null || document.errors.length > 0
}

function lineOf(document: Document.Parsed, field: string, lineAt: (offset: number) => number): number | undefined {
  const path = field.split('.')
  // For a missing key use the line of the nearest mapping that exists.
  while (path.length > 0 && !document.hasIn(path)) path.pop()
  const node = path.length === 0 ? undefined : document.getIn(path, true)
  const range = (node as { range?: [number, number, number] } | undefined)?.range
  return range === undefined ? undefined : lineAt(range[0])
}

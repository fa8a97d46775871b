import { didYouMean } from '@muster/cli-kit/input'
import { messageOf, printable } from '@muster/domain'
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type ParsedNode } from 'yaml'

type Report = (offset: number, what: string) => void

/**
 * Reads one mapping of a YAML file by its keys. Problems are collected with line and column, so that all of them can be
 * reported at once. They repeat nothing but short keys and what the parser of a value repeats: text in a wrong place may be
 * a secret.
 */
export class YamlMap {
  /** True if there is nothing in its place. */
  readonly isEmpty: boolean
  readonly #values = new Map<string, { key: ParsedNode; value: ParsedNode | null }>()
  readonly #known: string[] = []
  readonly #path: string
  readonly #report: Report
  readonly #offset: number

  constructor(node: ParsedNode | null, path: string, report: Report) {
    this.#path = path
    this.#report = report
    this.#offset = node?.range[0] ?? 0
    this.isEmpty = node === null || isNull(node)
    if (node === null || isNull(node)) return
    if (!isMap<ParsedNode, ParsedNode | null>(node)) {
      report(this.#offset, `${path || 'the file'}: must be a mapping of keys to values`)
      return
    }
    for (const { key, value } of node.items) {
      if (isScalar(key)) this.#values.set(String(key.value), { key, value })
      else report(key.range[0], `${path || 'the file'}: a key must be a word`)
    }
  }

  /** The name of a key from the top of the file, as messages show it. */
  nameOf(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`
  }

  /** A nested mapping; without keys if it is absent. */
  map(key: string): YamlMap {
    return new YamlMap(this.#take(key) ?? null, this.nameOf(key), this.#report)
  }

  /** The value of a string, read by `parse`; undefined if it is absent, null or empty, or has a problem. */
  text<T>(key: string, parse: (text: string, name: string) => T): T | undefined {
    const node = this.#take(key)
    return node === undefined ? undefined : this.#parse(node, this.nameOf(key), parse)
  }

  /** The values of a list of strings, or of one string; undefined if there is none. */
  texts<T>(key: string, parse: (texts: string[], name: string) => T): T | undefined {
    const node = this.#take(key)
    if (node === undefined) return undefined
    const name = this.nameOf(key)
    if (!isSeq<ParsedNode>(node)) return this.#parse(node, name, (text) => parse([text], name))
    const texts = node.items.map((item) => this.#string(item, name))
    if (texts.length === 0 || !texts.every((text) => text !== undefined)) return undefined
    return this.#attempt(node, () => parse(texts, name))
  }

  /** A mapping of strings to strings; undefined if it is absent. */
  textMap<T>(key: string, parse: (texts: Record<string, string>, name: string) => T): T | undefined {
    const node = this.#take(key)
    if (node === undefined) return undefined
    const name = this.nameOf(key)
    if (!isMap<ParsedNode, ParsedNode | null>(node)) {
      this.#report(node.range[0], `${name}: must be a mapping of keys to values`)
      return undefined
    }
    const entries = node.items.map(({ key: label, value }) => [
      this.#string(label, `${name}: a key`) ?? '',
      value === null || isNull(value) ? '' : (this.#string(value, `${name}: a value`) ?? ''),
    ])
    return this.#attempt(node, () => parse(Object.fromEntries(entries) as Record<string, string>, name))
  }

  /** Reports a key that is there, and explains why it cannot be used. */
  refuse(key: string, why: string): void {
    const node = this.#take(key)
    if (node === undefined || (isScalar(node) && node.value === '')) return
    this.#report(node.range[0], `${this.nameOf(key)}: ${why}`)
  }

  /** Reports a key that must be there and is not. */
  require(key: string, what: string): void {
    if (!this.#values.has(key)) this.#report(this.#offset, `${this.nameOf(key)}: is missing; ${what}`)
  }

  /** Reports every key that was not read. */
  refuseOthers(): void {
    for (const [word, { key }] of this.#values) {
      if (this.#known.includes(word)) continue
      // Text this long in the place of a key may be a token.
      const shown = word.length < 16 ? ` ${printable(word)}` : ''
      const meant = didYouMean(word, this.#known)
      const valid = meant === '' ? `; valid keys: ${this.#known.join(', ')}` : meant
      this.#report(key.range[0], `${this.#path === '' ? '' : `${this.#path}: `}unknown key${shown}${valid}`)
    }
  }

  #take(key: string): ParsedNode | undefined {
    this.#known.push(key)
    const value = this.#values.get(key)?.value ?? undefined
    return value === undefined || isNull(value) ? undefined : value
  }

  #parse<T>(node: ParsedNode, name: string, parse: (text: string, name: string) => T): T | undefined {
    const text = this.#string(node, name)
    return text === undefined || text === '' ? undefined : this.#attempt(node, () => parse(text, name))
  }

  #string(node: ParsedNode, name: string): string | undefined {
    if (isScalar(node) && typeof node.value === 'string') return node.value
    const advice = isScalar(node) || isAlias(node) ? '; put it in quotes' : ''
    this.#report(node.range[0], `${name}: must be a string${advice}`)
    return undefined
  }

  #attempt<T>(node: ParsedNode, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      this.#report(node.range[0], messageOf(error))
      return undefined
    }
  }
}

/**
 * Reads the one document of a YAML text with `read`. @throws Error that lists every problem as `FILE:LINE:COLUMN: what`
 */
export function readYaml<T>(text: string, file: string, read: (top: YamlMap) => T): T {
  const lines = new LineCounter()
  // Pretty errors would print lines of the file, so only their codes are used.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines })
  const problems: { offset: number; what: string }[] = document.errors.map(({ pos, code }) => ({
    offset: pos[0],
    what: `is not YAML: ${code.toLowerCase().replaceAll('_', ' ')}`,
  }))
  let result: T | undefined
  if (problems.length === 0) {
    result = read(new YamlMap(document.contents, '', (offset, what) => void problems.push({ offset, what })))
  }
  if (problems.length === 0) return result as T
  problems.sort((a, b) => a.offset - b.offset)
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    // An empty file has no lines.
    return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`
  }
  throw new Error(problems.map(({ offset, what }) => `${at(offset)}: ${what}`).join('\n'))
}

function isNull(node: ParsedNode): boolean {
  return isScalar(node) && node.value === null
}

import { didYouMean } from '@muster/cli-kit/input'
import { MAX_UINT32 } from '../cluster/wire-limits.ts'
import { invalid, printable } from '@muster/domain'

/** Reads the keys of one mapping in a document; keys that were not read are unknown. */
export class Fields {
  readonly #path: string
  readonly #values: Readonly<Record<string, unknown>>
  readonly #known: string[] = []

  /** @throws invalidArgument if the value is no mapping */
  constructor(value: unknown, path: string) {
    if (!isMapping(value)) throw invalid(path || 'the document', 'must be a mapping of keys to values')
    this.#values = value
    this.#path = path
  }

  /** The name of a key, from the top of the document. */
  nameOf(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`
  }

  /** A string; undefined if it is absent or null. @throws invalidArgument that does not repeat the value */
  text(key: string): string | undefined {
    const value = this.#take(key)
    if (value === undefined || typeof value === 'string') return value
    throw invalid(this.nameOf(key), 'must be a string; put it in quotes')
  }

  /** A whole number that fits a uint32. @throws invalidArgument */
  count(key: string): number | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_UINT32) return value as number
    throw invalid(this.nameOf(key), 'must be a whole number')
  }

  /** A list of strings; empty if it is absent. @throws invalidArgument */
  texts(key: string): string[] {
    const value = this.#take(key) ?? []
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
    throw invalid(this.nameOf(key), 'must be a list of strings, such as [a, b]')
  }

  /** A mapping of strings to strings; empty if it is absent. @throws invalidArgument */
  textMap(key: string): Record<string, string> {
    const value = this.#take(key) ?? {}
    if (isMapping(value) && Object.values(value).every((item) => typeof item === 'string')) {
      return value as Record<string, string>
    }
    throw invalid(this.nameOf(key), 'must map strings to strings; put numbers and true in quotes')
  }

  /** A nested mapping. @throws invalidArgument */
  fields(key: string): Fields {
    return new Fields(this.#take(key), this.nameOf(key))
  }

  /** Accepts a key with any value. */
  ignore(key: string): void {
    this.#take(key)
  }

  /** Rejects keys that were not read. @throws invalidArgument for the first of them */
  refuseOthers(): void {
    const unknown = Object.keys(this.#values).find((key) => !this.#known.includes(key))
    if (unknown === undefined) return
    const meant = didYouMean(unknown, this.#known)
    throw invalid(this.nameOf(/^[\w-]{1,40}$/.test(unknown) ? unknown : printable(unknown)), `unknown key${meant}`)
  }

  #take(key: string): unknown {
    this.#known.push(key)
    return Object.hasOwn(this.#values, key) ? (this.#values[key] ?? undefined) : undefined
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

import { once } from 'node:events'
import type { Format } from '../command/options.ts'
import type { Io, Output } from '../command/io.ts'
import { toJson, toYaml } from './print.ts'
import { hiddenNote, styleFor, tableOf, type Column, type Table } from './table.ts'

/** How a list of `T` looks. */
export interface ListStyle<T> {
  /** One item in JSON and YAML; a stable interface. */
  json: (item: T) => unknown
  /** The columns of the table, chosen by what the first page holds. */
  columns: (first: readonly T[]) => readonly Column<T>[]
  /** The message for people if the list is empty. */
  none: string
}

/**
 * Prints a list page by page, in constant memory. JSON and YAML are still one list; the first page decides the layout of a
 * table.
 */
export async function printList<T>(
  io: Io,
  format: Format,
  pages: AsyncIterable<readonly T[]>,
  style: ListStyle<T>,
): Promise<void> {
  const printer = PRINTERS[format](io, style)
  let isFirst = true
  for await (const items of pages) {
    if (items.length === 0) continue
    io.stdout.write(await printer.page(items, isFirst))
    isFirst = false
    await caughtUp(io.stdout)
  }
  printer.end(isFirst)
}

interface Printer<T> {
  page(items: readonly T[], isFirst: boolean): string | Promise<string>
  end(isEmpty: boolean): void
}

const PRINTERS: Record<Format, <T>(io: Io, style: ListStyle<T>) => Printer<T>> = {
  json: ({ stdout }, { json }) => ({
    // The brackets of the list are printed once, so take what is between them.
    page: (items, isFirst) => `${isFirst ? '[' : ','}${toJson(items.map(json), 2).slice(1, -'\n]'.length)}`,
    end: (isEmpty) => stdout.write(isEmpty ? '[]\n' : '\n]\n'),
  }),
  yaml: ({ stdout }, { json }) => ({
    page: (items) => toYaml(items.map(json)),
    end: (isEmpty) => isEmpty && stdout.write('[]\n'),
  }),
  text: <T>({ stdout, stderr, env }: Io, { columns, none }: ListStyle<T>): Printer<T> => {
    let table: Table<T> | undefined
    return {
      page(items, isFirst) {
        table ??= tableOf(columns(items), items, styleFor(stdout, env))
        return (isFirst ? table.head : '') + table.lines(items)
      },
      end: (isEmpty) => stderr.write(isEmpty ? `${none}\n` : hiddenNote(table?.hidden ?? [])),
    }
  },
}

/** Waits for a slow reader, so that unread output does not pile up in memory. */
async function caughtUp(output: Output): Promise<void> {
  if (output.writableNeedDrain === true) await once(output as unknown as NodeJS.EventEmitter, 'drain')
}

/** A page of a list; `next` is empty on the last one. */
export interface Page<T> {
  items: T[]
  next: string
}

/** The pages of a list, one in memory at a time. `read` gets the page token, which is empty for the first page. */
export async function* pagesOf<T>(read: (pageToken: string) => Promise<Page<T>>): AsyncGenerator<T[]> {
  let pageToken = ''
  do {
    const { items, next } = await read(pageToken)
    if (next !== '' && next === pageToken) throw new Error('the service answers with the same page again and again')
    yield items
    pageToken = next
  } while (pageToken !== '')
}

/** All items of a list that is known to be short. */
export async function allPages<T>(read: (pageToken: string) => Promise<Page<T>>): Promise<T[]> {
  const found: T[] = []
  for await (const items of pagesOf(read)) found.push(...items)
  return found
}

/** The largest page that the services return. */
export const PAGE_SIZE = 1000

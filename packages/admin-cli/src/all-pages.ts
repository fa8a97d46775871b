/** Everything of a paged list, page after page. `read` is given the page token, empty for the first page. */
export async function allPages<T>(read: (pageToken: string) => Promise<{ items: T[]; next: string }>): Promise<T[]> {
  const found: T[] = []
  let pageToken = ''
  do {
    const { items, next } = await read(pageToken)
    if (next !== '' && next === pageToken) throw new Error('the service answers with the same page again and again')
    found.push(...items)
    pageToken = next
  } while (pageToken !== '')
  return found
}

/** The most that the services give at once. */
export const PAGE_SIZE = 1000

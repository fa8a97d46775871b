import path from 'node:path'

/** The root of the checkout that is packaged. */
export const CHECKOUT: string = path.resolve(import.meta.dirname, '../../..')

/** The largest number that a uint32 field of a request can carry. */
export const MAX_UINT32 = 2 ** 32 - 1

/** The values of --format: text is for people, json and yaml are for programs. */
export const FORMATS = ['text', 'json', 'yaml'] as const

/** One value of --format. */
export type Format = (typeof FORMATS)[number]

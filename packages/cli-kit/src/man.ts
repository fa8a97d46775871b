export { scriptFor, SHELLS, type Shell } from './complete/scripts.ts'
export { manPage, type Edition } from './help/man-page.ts'

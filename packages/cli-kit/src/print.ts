export { print, toJson, toYaml } from './print/print.ts'
export { printList, type ListStyle } from './print/print-list.ts'
export { shellQuote } from './print/shell.ts'
export {
  facts,
  hiddenNote,
  paint,
  styleFor,
  table,
  tableOf,
  type Column,
  type Table,
  type TableStyle,
} from './print/table.ts'
export { distance, timeAgo, timeLeft, utcTime, utcTimeAndDistance } from './print/times.ts'

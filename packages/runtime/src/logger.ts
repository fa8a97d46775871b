/** Writes one line: details to filter by, then a sentence. */
type LogLine = (details: object, message: string) => void

/** The log of a service. The main program decides where it goes. */
export interface Logger {
  debug: LogLine
  info: LogLine
  warn: LogLine
  error: LogLine
  /** A log that adds these details to each line. */
  child(details: object): Logger
}

/** Writes one line of a level: what a program may filter by, then a sentence. */
type LogLine = (details: object, message: string) => void

/** The log of a service. What writes it, and where, is decided where the program starts. */
export interface Logger {
  debug: LogLine
  info: LogLine
  warn: LogLine
  error: LogLine
  /** A log that adds these details to each line. */
  child(details: object): Logger
}

/**
 * Keeps this process alive when its standard output or standard error cannot be written: the reader has gone, or the disk
 * is full. What is written meanwhile is lost.
 */
export function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
}

/**
 * Variables for a Node process that shift its clock by this many milliseconds. Only the time of day that
 * JavaScript sees is shifted; OpenSSL, which checks certificates at handshakes, keeps the true time.
 */
export function shiftedClock(byMs: number): { NODE_OPTIONS: string } {
  const preload = `
    const TrueDate = globalThis.Date
    globalThis.Date = class Date extends TrueDate {
      constructor(...given) {
        if (given.length === 0) super(TrueDate.now() + ${byMs})
        else super(...given)
      }
      static now() {
        return TrueDate.now() + ${byMs}
      }
    }`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` }
}

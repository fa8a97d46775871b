import { createLogger } from '@muster/service-kit'

export const silentLog = createLogger('test', 'silent')

/** A promise that a test resolves when it wants to. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Progress } from './progress.ts'

const CHUNK_BYTES = 64 * 1_024
const LONGEST_WAIT_MS = 1_000

/** What a download reads, and at which rate. */
export interface DownloadOptions {
  file: FileHandle
  bytes: number
  progress: Progress
  /** Charges bytes to the budget of the reader's source. */
  charge(bytes: number): void
  /** How long the source of the reader must pause, in milliseconds. */
  pauseMs(): number
}

/**
 * A package on its way to one reader. It pauses while the source of the reader is over its budget, so that a fleet behind one address
 * gets its packages at a bounded rate, and nobody is cut off. It closes the file when it ends.
 */
export class Download extends Readable {
  readonly #options: DownloadOptions
  #leftBytes: number
  #sentBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: DownloadOptions) {
    super({ highWaterMark: CHUNK_BYTES })
    this.#options = options
    this.#leftBytes = options.bytes
  }

  override _read(): void {
    // The reader has room again: it has taken the chunk before.
    this.#options.progress.moved(this.#sentBytes)
    this.#sentBytes = 0
    this.#continue()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    void this.#close(error, callback)
  }

  async #close(error: Error | null, done: (error: Error | null) => void): Promise<void> {
    let failure = error
    try {
      await this.#options.file.close()
    } catch (closing) {
      failure ??= closing as Error
    }
    done(failure)
  }

  #continue(): void {
    const { progress, pauseMs } = this.#options
    const waitMs = pauseMs()
    if (waitMs > 0) {
      progress.pause()
      this.#timer = setTimeout(() => this.#continue(), Math.min(waitMs, LONGEST_WAIT_MS))
      return
    }
    progress.resume()
    this.#readChunk().then(
      (chunk) => this.push(chunk),
      (error: Error) => this.destroy(error),
    )
  }

  async #readChunk(): Promise<Buffer | null> {
    const length = Math.min(CHUNK_BYTES, this.#leftBytes)
    if (length === 0) return null
    const { bytesRead, buffer } = await this.#options.file.read({ buffer: Buffer.allocUnsafe(length), length })
    // The length was told to the reader already.
    if (bytesRead === 0) throw new Error('the package has become shorter while it was read')
    this.#leftBytes -= bytesRead
    this.#sentBytes = bytesRead
    this.#options.charge(bytesRead)
    return buffer.subarray(0, bytesRead)
  }
}

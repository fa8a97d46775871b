import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { CHECKOUT } from '../checkout.ts'

/** The licence of a package that is part of a bundle. */
export interface Notice {
  /** Name and version, such as `pg 8.23.1`. */
  title: string
  /** The SPDX expression of its manifest. */
  license: string
  /** Its own words: licence and notice files. */
  text: string
}

const FILES = /^(licen[cs]e|copying|notice)([.-].*)?$/i
const RULE = '='.repeat(80)

/** The licences of the packages that these files of the checkout belong to; our own packages are left out. @throws Error for a package without a licence */
export function noticesOf(inputs: readonly string[]): Notice[] {
  const folders = new Set(inputs.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]))
  const notices = [...folders].filter((folder) => folder !== undefined).map((folder) => noticeOf(folder))
  const unique = new Map(notices.map((notice) => [notice.title, notice]))
  return [...unique.values()].sort((a, b) => (a.title < b.title ? -1 : 1))
}

function noticeOf(folder: string): Notice {
  const whole = path.join(CHECKOUT, folder)
  const manifest = JSON.parse(readFileSync(path.join(whole, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license?: string
    author?: string | { name?: string }
  }
  const { name, version, license, author } = manifest
  if (typeof license !== 'string') throw new Error(`${name} ${version} names no licence in its package.json`)
  const files = readdirSync(whole).filter((file) => FILES.test(file))
  const texts = files.sort().map((file) => readFileSync(path.join(whole, file), 'utf8').trim())
  const holder = typeof author === 'string' ? author : author?.name
  const fallback = `${name} comes without a licence file.${holder === undefined ? '' : ` Its author is ${holder}.`}`
  return { title: `${name} ${version}`, license, text: texts.length > 0 ? texts.join('\n\n') : fallback }
}

/** The notices as one text, for people and lawyers. */
export function noticesText(notices: readonly Notice[]): string {
  const parts = notices.map(({ title, license, text }) => `${RULE}\n${title}\nLicence: ${license}\n\n${text}\n`)
  return [`Muster contains the software that is listed here, under these licences.\n`, ...parts].join('\n')
}

/** The licence of Muster itself. */
export function ownLicense(): string {
  return readFileSync(path.join(CHECKOUT, 'LICENSE'), 'utf8')
}

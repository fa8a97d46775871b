import { existsSync } from 'node:fs'
import path from 'node:path'
import { type File, root } from './repository.ts'

const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g
const FENCED_CODE = /^(```|~~~)[\s\S]*?^\1/gm
const INLINE_CODE = /`[^`\n]*`/g

/** Relative links of a document that lead to no file, or to no heading of that file, as `path -> link`. */
export function brokenLinks(document: File, documents: readonly File[]): string[] {
  const text = document.text.replaceAll(FENCED_CODE, '')
  return [...text.matchAll(LINK)]
    .map((match) => match[1]!)
    .filter((link) => !/^[a-z]+:/i.test(link) && !leadsSomewhere(document, link, documents))
    .map((link) => `${document.path} -> ${link}`)
}

function leadsSomewhere(document: File, link: string, documents: readonly File[]): boolean {
  const [file = '', anchor] = link.split('#')
  const target = file === '' ? document.path : path.posix.join(path.posix.dirname(document.path), file)
  if (!existsSync(path.join(root, target))) return false
  if (anchor === undefined) return true
  const text = documents.find((one) => one.path === target)?.text
  return text !== undefined && anchorsOf(text).has(anchor)
}

/** The anchors that GitHub makes from the headings of a document. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replaceAll(FENCED_CODE, '').matchAll(/^#{1,6} +(.+?) *$/gm)]
  const counts = new Map<string, number>()
  const anchors = headings.map((match) => {
    const anchor = anchorOf(match[1]!)
    const before = counts.get(anchor) ?? 0
    counts.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
  return new Set(anchors)
}

function anchorOf(heading: string): string {
  const shown = heading
    .replaceAll(INLINE_CODE, (code) => code.slice(1, -1))
    .replaceAll(LINK, (link) => link.slice(1, link.indexOf(']')))
  return shown
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

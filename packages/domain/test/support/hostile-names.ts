export const LONGEST_LABEL = 'a'.repeat(63)
export const LONGEST_NAME = `${`${LONGEST_LABEL}.`.repeat(3)}${'b'.repeat(61)}`

/** Names that must never reach a certificate, a file name or a terminal. */
export const HOSTILE_NAMES = [
  '',
  ' ',
  '.',
  '..',
  '../etc/passwd',
  'a/../b',
  'a/b',
  'a\\b',
  'web\0',
  'web\0.evil',
  'web\n',
  'web\r\nX: y',
  ' web',
  'web ',
  'a'.repeat(64),
  'a'.repeat(300),
  `${'a.'.repeat(150)}a`,
  '.web',
  'web.',
  'a..b',
  '-web',
  'web-',
  '*.muster.internal',
  'web;rm -rf',
  'web%00',
  'web:80',
  'O=admin,CN=x',
  'wеb', // a Cyrillic e
  'ｗｅｂ', // full-width letters
  'web\u200b', // a zero-width space
  'web\u202eoof', // text that reads backwards
  'ſervice', // a long s, which folds to s
  '\u212aelvin', // the Kelvin sign, which folds to k
  'müster',
  '\ud800',
]

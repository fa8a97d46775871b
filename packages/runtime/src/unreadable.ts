import { messageOf } from '@muster/domain'

/** Explains an error of node:fs. The text contains the path of the file, and none of its content. */
export function whyUnreadable(file: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `there is no file ${file}`
    case 'EACCES':
    case 'EPERM':
      return `there is no permission to read ${file}`
    case 'EISDIR':
      return `${file} is a folder`
    default:
      return `cannot read ${file}: ${code ?? messageOf(error)}`
  }
}

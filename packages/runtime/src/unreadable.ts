import { messageOf } from '@muster/domain'

/** Why a file could not be read, by the error of node:fs. Names the file, by its whole path, and nothing that it holds. */
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

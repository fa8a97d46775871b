/**
 * SQL that turns a host name pattern, with * and ?, into one of LIKE: it escapes LIKE's special characters, then replaces *
 * and ?. @param glob the SQL of the pattern, such as a column
 */
export function likeOfGlob(glob: string): string {
  return String.raw`replace(replace(regexp_replace(${glob}, '([\\%_])', '\\\1', 'g'), '*', '%'), '?', '_')`
}

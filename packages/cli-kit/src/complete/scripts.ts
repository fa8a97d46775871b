/** The shells that a script can be printed for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** One of the shells. */
export type Shell = (typeof SHELLS)[number]

/** The line that stands for "complete the names of files" in what a script reads. */
export const FILES = ':files'

/** The script that makes a shell complete the arguments of a program. All of them ask the program itself. */
export function scriptFor(shell: Shell, program: string): string {
  return SCRIPTS[shell](program, `_${program.replaceAll(/\W/g, '_')}`)
}

const SCRIPTS: Record<Shell, (program: string, name: string) => string> = {
  bash: (program, name) => `${name}() {
  local IFS=$'\\n'
  COMPREPLY=($(${program} __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
  if [[ \${COMPREPLY[0]-} == ${FILES} ]]; then
    COMPREPLY=()
    compopt -o default
  # A value that may go on is followed by no space.
  elif [[ \${COMPREPLY[0]-} == */ ]]; then
    compopt -o nospace
  fi
}
complete -F ${name} ${program}
`,
  zsh: (program, name) => `#compdef ${program}
${name}() {
  local -a found
  local word about
  while IFS=$'\\t' read -r word about; do
    if [[ $word == ${FILES} ]]; then
      compset -P '--*='
      _files
      return
    fi
    found+=("\${word//:/\\\\:}:\${about}")
  done < <(${program} __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe '${program}' found
}
# In a file of $fpath this is the body of the function itself; elsewhere it is a script.
if [[ \${funcstack[1]} == ${name} ]]; then
  ${name} "$@"
else
  compdef ${name} ${program}
fi
`,
  fish: (program, name) => `function _${name}_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (${program} __complete -- $words[2..-1] 2>/dev/null)
  if test "$found" = ${FILES}
    set -l flag (string match -r '^--[^=]*=' -- $words[-1])
    for path in (__fish_complete_path (string replace -r '^--[^=]*=' '' -- $words[-1]))
      string join '' -- $flag $path
    end
  else
    printf '%s\\n' $found
  end
end
complete -c ${program} -f -a '(_${name}_complete)'
`,
}

// Deliberate faults in what goes into packages.

export const mutants = [
  {
    name: 'an archive keeps the order in which its files came',
    folder: 'packages/packaging/src',
    find: `packed.toSorted((a, b) => (a.path < b.path ? -1 : 1))`,
    replace: `[...packed]`,
    tests: ['packaging/src/archive'],
  },
  {
    name: 'folders of an archive have the date of the build',
    folder: 'packages/packaging/src',
    find: `type: 'Directory', mode: 0o755, size: 0, mtime: date`,
    replace: `type: 'Directory', mode: 0o755, size: 0, mtime: new Date()`,
    tests: ['packaging/src/archive'],
  },
  {
    name: 'SOURCE_DATE_EPOCH is not read',
    folder: 'packages/packaging/src',
    find: `env['SOURCE_DATE_EPOCH'] ?? head?.[1]`,
    replace: `head?.[1]`,
    tests: ['packaging/src/release'],
  },
  {
    name: 'a file of another package is left out of a bundle',
    folder: 'packages/packaging/src',
    find: `if (inPackage.startsWith('..')) throw`,
    replace: `if (inPackage === '') throw`,
    tests: ['packaging/src/bundle'],
  },
  {
    name: 'a bundle may look for files by its own place',
    folder: 'packages/packaging/src',
    find: `if (/(?<!new URL\\('\\.\\/files\\/[^']*', )import\\.meta/.test(moved)) {`,
    replace: `if (moved === '') {`,
    tests: ['packaging/src/bundle'],
  },
  {
    name: 'a manual page shows hidden commands',
    folder: 'packages/cli-kit/src',
    find: `const visible = program.commands.filter((entry) => entry.hidden !== true)`,
    replace: `const visible = [...program.commands]`,
    tests: ['cli-kit/src/help'],
  },
]

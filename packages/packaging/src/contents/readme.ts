import type { Release } from '../release.ts'

/** The README of the tarball. */
export function tarballReadme({ version, commit }: Release): string {
  return `# Muster ${version}${commit === undefined ? '' : ` (commit ${commit})`}

\`muster\` joins this machine to a cluster and keeps its identity fresh. \`musterctl\`, a link to the same file, is the program
of operators. Both run without Node. They need glibc 2.28 or newer and libstdc++.

Install them for all users:

    install -m 755 muster /usr/local/bin/
    ln -sf muster /usr/local/bin/musterctl
    install -D -m 644 -t /usr/local/share/man/man1 man/man1/*.1

As a service of systemd, once /etc/muster.yaml is written by 'muster configure':

    muster install systemd
    systemctl enable --now muster

'muster start --help' says how to join, and 'man musterctl' has every command. The folder completions holds scripts
for bash, zsh and fish; 'musterctl completion --help' says where they go.

The licences of Muster and of the software in it are in LICENSE and THIRD-PARTY-NOTICES.
`
}

/** The README of the npm package. */
export function npmReadme({ version }: Release): string {
  return `# Muster ${version}

\`muster\` joins this machine to a cluster and keeps its identity fresh. \`musterctl\` is the program of operators. They run on
Node 20.19 and later:

    npm install --global muster-${version}.tgz
    muster start --help

The licences of Muster and of the software in it are in LICENSE and THIRD-PARTY-NOTICES.
`
}

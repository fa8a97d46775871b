/** Begins a step that only a machine with a running systemd takes. Below another root, dpkg sets DPKG_ROOT. */
const IF_SYSTEMD = `[ -z "\${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]`

/**
 * The scripts of the deb (deb-postinst(5)), by name. An upgrade restarts the agent if it runs, a removal stops it, and only
 * a purge deletes the identity, the configuration, and whether the service is enabled.
 */
export const DEB_SCRIPTS: Readonly<Record<string, string>> = {
  postinst: `#!/bin/sh
set -e
if [ "$1" = configure ] && ${IF_SYSTEMD}; then
  systemctl daemon-reload || true
  if [ -n "\${2:-}" ]; then systemctl try-restart muster.service || true; fi
fi
`,
  prerm: `#!/bin/sh
set -e
if [ "$1" = remove ] && ${IF_SYSTEMD}; then
  systemctl stop muster.service || true
fi
`,
  postrm: `#!/bin/sh
set -e
if [ "$1" = purge ]; then
  root=\${DPKG_ROOT:-}
  rm -rf "$root/var/lib/private/muster" "$root/var/lib/muster" "$root/etc/muster"
  rm -f "$root/etc/muster.yaml" "$root/etc/systemd/system/multi-user.target.wants/muster.service"
fi
if { [ "$1" = remove ] || [ "$1" = purge ]; } && ${IF_SYSTEMD}; then
  systemctl daemon-reload || true
fi
`,
}

/** The scriptlets of the rpm, as its spec has them. rpm has no purge, so the identity and the configuration always stay. */
export const RPM_SCRIPTLETS = `%post
if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi

%preun
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then systemctl disable --now muster.service || :; fi

%postun
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || :
  if [ "$1" -ge 1 ]; then systemctl try-restart muster.service || :; fi
fi
`

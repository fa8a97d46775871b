/** The name of the unit. */
export const UNIT = 'muster.service'

/** The first line of every unit of ours, which the install script knows too. A file of the name without it is somebody else's. */
export const UNIT_MARK = '# The agent of Muster. Written by Muster; change it by systemctl edit muster.'

/**
 * The text of the unit that runs the agent. Nothing secret is in it: systemd, as root, reads the configuration and the
 * token and hands copies to the agent, which runs as a user of its own.
 * @param program the executable, or Node and a script; absolute paths
 */
export function unitText(program: readonly string[]): string {
  return `${UNIT_MARK}
[Unit]
Description=Muster agent
Documentation=man:muster(1)
Wants=network-online.target
After=network-online.target
# The agent retries for as long as it takes; a cluster may be away for a day.
StartLimitIntervalSec=0

[Service]
Type=notify
# The agent notifies by systemd-notify, a process of its own.
NotifyAccess=all
ExecStart=${[...program, 'start'].map(quoted).join(' ')}
Restart=on-failure
RestartSec=3s
# Bad usage, refused by the cluster, server not to be trusted: a restart changes nothing.
RestartPreventExitStatus=2 3 4
# More than --join-timeout.
TimeoutStartSec=90s
TimeoutStopSec=15s
KillMode=mixed

# The identity: /var/lib/muster, kept by an upgrade and by an uninstall.
DynamicUser=yes
User=muster
StateDirectory=muster
StateDirectoryMode=0700
# Files of root that the agent reads as copies. The name of each is its path with - for /, and # stands for no file.
LoadCredential=etc-muster.yaml:/etc/muster.yaml
SetCredential=etc-muster.yaml:#
LoadCredential=etc-muster-token:/etc/muster/token
SetCredential=etc-muster-token:#

# The agent connects to its cluster and writes to its folder; it needs nothing else of the machine. ProtectProc,
# ProcSubset, ProtectKernelTunables and ProtectControlGroups are left out, since they change or hide what /proc tells: two
# agents could then use the folder at once. Without privileges the agent may write to none of these places anyway.
AmbientCapabilities=
CapabilityBoundingSet=
DevicePolicy=closed
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProtectClock=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
UMask=0077

[Install]
WantedBy=multi-user.target
`
}

/** A word of a command line in a unit (systemd.syntax(7), systemd.service(5)). */
function quoted(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$').replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return /[\s"'\\;]/.test(word) ? `"${escaped}"` : escaped
}

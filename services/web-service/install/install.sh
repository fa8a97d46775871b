#!/bin/sh
# Installs Muster from the web face of a cluster, and joins the cluster when it is given an invitation.
# The web face fills in the four values below. The checksums decide what is installed, wherever the bytes came from.
set -eu

ORIGIN='@ORIGIN@'
VERSION='@VERSION@'
# yes: this machine cannot verify the certificate of the web face, which is the cluster's own.
INSECURE='@INSECURE@'
SUMS='@SUMS@'

usage() {
  cat <<'END'
Installs Muster, and joins the cluster when it is given an invitation.

Usage: sh install.sh [options] [VERSION [EDITION]]

  --invitation-file FILE  file with the invitation; - reads it from standard input
  --version VERSION       the version to install
  --allow-downgrade       install a version older than the installed one too
  --edition EDITION       oss; there is one edition
  --tarball               install the tarball, also where there is a package manager
  --root DIR              install the tarball below DIR, as for an image, and start nothing
  --dry-run               print what would be done
  --uninstall             remove the programs; the identity and the configuration stay
  --help                  print this
END
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
run() {
  if [ "$dry_run" = yes ]; then say "would run: $*"; else "$@"; fi
}

fetch() {
  if have curl; then
    set -- --fail --silent --show-error --proto '=https' --retry 3 --output "$2" "$1"
    if [ "$INSECURE" = yes ]; then set -- --insecure "$@"; fi
    curl "$@"
  elif have wget; then
    set -- -q -O "$2" "$1"
    if [ "$INSECURE" = yes ]; then set -- --no-check-certificate "$@"; fi
    wget "$@"
  else
    die 'curl or wget is needed'
  fi
}

sha256_of() {
  if have sha256sum; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  else
    die 'sha256sum or shasum is needed'
  fi
}

# The checksum of a package, or nothing when the web face does not have the package.
sum_of() {
  printf '%s\n' "$SUMS" | while read -r sum name; do
    if [ "$name" = "$1" ]; then printf '%s' "$sum"; fi
  done
}

detect_machine() {
  system=$(uname -s)
  [ "$system" = Linux ] || die "packages are for Linux; this is $system"
  case $(uname -m) in
    x86_64 | amd64) arch=x64 deb_arch=amd64 rpm_arch=x86_64 ;;
    aarch64 | arm64) arch=arm64 deb_arch=arm64 rpm_arch=aarch64 ;;
    *) die "packages are for x86_64 and aarch64; this is $(uname -m)" ;;
  esac
}

# Chooses the package for this machine: the tarball if that is what it has, else the package of its package manager if the
# web face has it, else the tarball.
choose_package() {
  package_version=$(printf '%s' "$version" | tr - '~')
  manager=tarball
  if [ -e /usr/local/lib/muster/muster ]; then tarball=yes; fi
  if [ "$tarball" = no ]; then
    if have apt-get && have dpkg; then
      manager=apt
    elif have dnf; then
      manager=dnf
    elif have yum; then
      manager=yum
    elif have zypper; then
      manager=zypper
    fi
  fi
  case $manager in
    apt) package="muster_${package_version}_$deb_arch.deb" ;;
    dnf | yum | zypper) package="muster-$package_version-1.$rpm_arch.rpm" ;;
    *) package='' ;;
  esac
  if [ -z "$package" ] || [ -z "$(sum_of "$package")" ]; then
    manager=tarball
    package="muster-$version-linux-$arch.tar.gz"
  fi
  sum=$(sum_of "$package")
  [ -n "$sum" ] || die "$ORIGIN has no $package; see $ORIGIN/packages/SHA256SUMS"
}

# The version that is installed where the package goes, or nothing.
installed_version() {
  program=/usr/bin/muster
  if [ "$manager" = tarball ]; then program=$root/usr/local/lib/muster/muster; fi
  if [ -x "$program" ]; then "$program" version 2>/dev/null | cut -d ' ' -f 1; fi
}

# Whether one version comes before another. A prerelease, 1.0.0-rc.1, comes before its release.
is_older() {
  [ "$1" != "$2" ] || return 1
  first=$(printf '%s\n%s\n' "$1" "$2" | tr - '~' | sort -V | head -n 1 | tr '~' -)
  [ "$first" = "$1" ]
}

download() {
  say "Downloading $ORIGIN/packages/$package"
  fetch "$ORIGIN/packages/$package" "$work/$package" || die "cannot download $ORIGIN/packages/$package"
  found=$(sha256_of "$work/$package")
  [ "$found" = "$sum" ] || die "$package has the checksum $found, expected $sum; nothing was installed"
}

install_tarball() {
  lib=$root/usr/local/lib/muster
  bin=$root/usr/local/bin
  mkdir -p "$work/new" "$root/usr/local/lib" "$bin"
  tar -xzf "$work/$package" -C "$work/new" || die "cannot unpack $package"
  rm -rf "$lib.old" "$lib.new"
  mv "$work/new/muster-$version-linux-$arch" "$lib.new"
  if [ -d "$lib" ]; then mv "$lib" "$lib.old"; fi
  mv "$lib.new" "$lib"
  rm -rf "$lib.old"
  ln -sf ../lib/muster/muster "$bin/muster"
  ln -sf ../lib/muster/musterctl "$bin/musterctl"
  if [ ! -f "$lib/systemd/muster.service" ]; then return 0; fi
  if [ -n "$root" ]; then
    mkdir -p "$root/etc/systemd/system"
    cp "$lib/systemd/muster.service" "$root/etc/systemd/system/muster.service"
  elif have systemctl; then
    "$lib/muster" install systemd >/dev/null
  fi
}

install_package() {
  case $manager in
    apt) DEBIAN_FRONTEND=noninteractive apt-get install -y --allow-downgrades "$work/$package" || cannot_install ;;
    dnf | yum) "$manager" install -y "$work/$package" || cannot_install ;;
    zypper)
      zypper --non-interactive install --allow-unsigned-rpm --oldpackage "$work/$package" || cannot_install
      ;;
    tarball) install_tarball ;;
  esac
  found=$(installed_version)
  if [ -n "$found" ] && [ "$found" != "$version" ]; then cannot_install; fi
  say "Installed muster $version"
}

cannot_install() { die "$manager did not install $package; what it said is above"; }

# Reads the invitation into a variable, so that it is in no process's arguments.
read_invitation() {
  invitation=''
  case $invitation_file in
    '') return 0 ;;
    -) IFS= read -r invitation || [ -n "$invitation" ] || die 'there is no invitation on standard input' ;;
    *) IFS= read -r invitation <"$invitation_file" || [ -n "$invitation" ] || die "cannot read $invitation_file" ;;
  esac
  case $invitation in
    muster://*) ;;
    *) die "an invitation begins with muster://; see 'musterctl tokens add'" ;;
  esac
}

has_systemd() { [ -z "$root" ] && [ -d /run/systemd/system ] && have systemctl; }

has_unit() {
  for folder in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    if [ -f "$folder/muster.service" ]; then return 0; fi
  done
  return 1
}

# Keeps the invitation in a file that only root reads, then configures and starts the service.
join_cluster() {
  kept=$root/etc/muster/invitation
  if [ "$dry_run" = yes ]; then
    say "would write the invitation to $kept, configure this machine and start muster"
    return 0
  fi
  mkdir -p "$root/etc/muster"
  (umask 077 && printf '%s\n' "$invitation" >"$kept.new" && mv "$kept.new" "$kept")
  if ! has_systemd || ! has_unit; then
    say "Next, join the cluster: muster start $kept"
    return 0
  fi
  # The PATH of sudo may lack /usr/local/bin.
  muster=/usr/bin/muster
  if [ "$manager" = tarball ]; then muster=/usr/local/bin/muster; fi
  configure_service
  systemctl daemon-reload
  systemctl --quiet enable muster.service
  if ! systemctl restart muster.service; then
    journalctl --unit=muster --no-pager --output=cat --lines=4 >&2 || true
    die "muster did not start; what it said is above. Correct it, then: systemctl restart muster"
  fi
  say "Started muster, now and at each boot. See: sudo muster status; journalctl -u muster"
}

# Writes the configuration, unless this machine has a valid identity or somebody else wrote one.
configure_service() {
  config=/etc/muster.yaml
  set -- "$kept" -o file
  if "$muster" status 2>/dev/null | grep -q '^Certificate *until'; then
    say 'This machine has joined already; the invitation is not needed'
    rm -f "$kept"
    return 0
  fi
  if [ -e "$config" ]; then
    if ! head -n 1 "$config" | grep -q "^# Written by 'muster configure'"; then
      say "Keeping $config, which muster did not write. What it needs: muster show --show-token $kept"
      return 0
    fi
    cp -p "$config" "$config.old"
    set -- "$@" --force
  fi
  "$muster" configure "$@" >/dev/null || die "this machine was not configured; the invitation is in $kept"
  # The token is in the configuration now, which only root reads.
  rm -f "$kept"
  say "Wrote $config"
}

uninstall() {
  if has_systemd && has_unit; then run systemctl disable --now muster.service; fi
  if [ -z "$root" ] && have dpkg && dpkg -s muster >/dev/null 2>&1; then
    run apt-get remove -y muster
  elif [ -z "$root" ] && have rpm && rpm -q muster >/dev/null 2>&1; then
    if have zypper; then
      run zypper --non-interactive remove muster
    elif have dnf; then
      run dnf remove -y muster
    else
      run yum remove -y muster
    fi
  fi
  if [ -d "$root/usr/local/lib/muster" ]; then
    run rm -rf "$root/usr/local/lib/muster" "$root/usr/local/bin/muster" "$root/usr/local/bin/musterctl"
    unit=$root/etc/systemd/system/muster.service
    if [ -f "$unit" ] && grep -q '^# The agent of Muster' "$unit"; then run rm -f "$unit"; fi
    if has_systemd; then run systemctl daemon-reload; fi
  fi
  run rm -f "$root/etc/muster/invitation"
  if [ "$dry_run" = yes ]; then return 0; fi
  say 'Muster is removed. /etc/muster.yaml and /var/lib/muster stay; remove them to forget the identity.'
}

need_value() { [ "$2" -ge 2 ] || die "$1 needs a value"; }

main() {
  version=$VERSION asked=no edition=oss invitation_file='' tarball=no downgrade=no root='' dry_run=no action=install
  while [ $# -gt 0 ]; do
    case $1 in
      --invitation-file) need_value "$1" $# && invitation_file=$2 && shift ;;
      --version) need_value "$1" $# && version=${2#v} asked=yes && shift ;;
      --edition)
        need_value "$1" $#
        edition=$2
        shift
        ;;
      --tarball) tarball=yes ;;
      --allow-downgrade) downgrade=yes ;;
      --root) need_value "$1" $# && root=${2%/} tarball=yes && shift ;;
      --dry-run) dry_run=yes ;;
      --uninstall) action=uninstall ;;
      --help) usage && exit 0 ;;
      -*) die "unknown option $1; see --help" ;;
      # The two words that scripts of Teleport take.
      *)
        if [ "$asked" = no ]; then version=${1#v} asked=yes; else edition=$1; fi
        ;;
    esac
    shift
  done
  [ "$edition" = oss ] || die "$edition is not known; there is one edition, oss"
  if [ "$dry_run" = no ] && [ -z "$root" ] && [ "$(id -u)" != 0 ]; then die 'run this as root, such as with sudo'; fi
  if [ "$action" = uninstall ]; then
    uninstall
    exit 0
  fi
  read_invitation
  detect_machine
  choose_package
  found=$(installed_version)
  if [ -n "$found" ] && [ "$downgrade" = no ] && is_older "$version" "$found"; then
    [ "$asked" = no ] || die "muster $found is installed, and $version is older; --allow-downgrade installs it"
    say "Keeping muster $found, which is newer than $version"
  elif [ "$dry_run" = yes ]; then
    say "would install $package (sha256 $sum) from $ORIGIN by $manager"
  else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    download
    install_package
  fi
  if [ -n "$invitation" ]; then join_cluster; fi
}

# The last line, so that a script that was cut off does nothing.
main "$@"

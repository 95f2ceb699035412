#!/bin/sh
# Installs the system packages that vmsift's integration tests use: Debian or a derivative, as root.
# Anywhere else it names what is missing and which tests are skipped for it. Always ends with 0, and in a fraction of
# a second when everything is there. VMSIFT_SETUP=check only looks.
set -u

# what to look for | Debian package | what is skipped without it
# A name with ".so" is a shared library, one with a leading slash a file, any other a program.
NEEDS='
qemu-system-x86_64 | qemu-system-x86 | the lab: every test on a real guest
setpriv | util-linux | nothing: a killed lab run may leave QEMU behind
gcc | gcc | the lab: every test on a real guest
/usr/include/stdlib.h | libc6-dev | the lab: every test on a real guest
apt-get | apt | the lab: guest kernels come from Debian packages
dpkg-deb | dpkg | the lab: guest kernels come from Debian packages
/usr/share/keyrings/debian-archive-keyring.gpg | debian-archive-keyring | the lab: guest kernels come from Debian packages
/etc/ssl/certs/ca-certificates.crt | ca-certificates | the lab, where the Debian mirror is https
xz | xz-utils | guests with newer kernels, whose modules are compressed
zstd | zstd | tests of compressed targets, guests with kernels whose modules are compressed
libvirtd | libvirt-daemon | tests of domains of libvirt
/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so | libvirt-daemon-driver-qemu | tests of domains of libvirt
virsh | libvirt-clients | tests of domains of libvirt
libhs.so.5 | libvectorscan5 | tests of the Vectorscan matcher
makedumpfile | makedumpfile | dumps written by makedumpfile: lzo, zlib, excluded pages, unflattened
rg | ripgrep | comparisons with ripgrep
yara | yara | comparisons with yara
libdeflate.so.0 | libdeflate0 | nothing: the demo image would be made a little larger
'

libraries=$( (ldconfig -p || /sbin/ldconfig -p) 2>/dev/null)

is_there() {
  case $1 in
    /*) [ -e "$1" ] ;;
    *.so*)
      case $libraries in *"$1"*) true ;; *) false ;; esac
      ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

# Prints "thing|package|skipped" of what is missing.
missing() {
  printf '%s\n' "$NEEDS" | while IFS='|' read -r thing package skipped; do
    thing=$(echo $thing) package=$(echo $package)
    [ -z "$thing" ] || is_there "$thing" || printf '%s|%s|%s\n' "$thing" "$package" "$skipped"
  done
}

left=$(missing)
[ -n "$left" ] || exit 0

if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null && [ "${VMSIFT_SETUP:-}" != check ]; then
  packages=$(printf '%s\n' "$left" | cut -d'|' -f2 | sort -u | tr '\n' ' ')
  echo "setup: installing $packages"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  install() { apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; }
  apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=1 -o Acquire::http::Timeout=30 update >>"$log" 2>&1
  # Together first; one by one when a package is unknown to this release, so that it costs only its own tests.
  if ! install $packages; then
    for package in $packages; do
      install "$package" || echo "setup: apt-get could not install $package: $(grep '^E:' "$log" | tail -n 1)"
    done
  fi
  rm -f "$log"
  command -v ldconfig >/dev/null && ldconfig
  libraries=$( (ldconfig -p || /sbin/ldconfig -p) 2>/dev/null)
  left=$(missing)
  [ -n "$left" ] || exit 0
fi

echo 'setup: these are missing here, and so these tests are skipped:'
printf '%s\n' "$left" | while IFS='|' read -r thing package skipped; do
  echo "  $thing (Debian package $package):$skipped"
done
if [ ! -e /etc/debian_version ]; then echo 'setup: this is not Debian: install their like with your package manager'
elif [ "$(id -u)" != 0 ]; then echo 'setup: run scripts/setup-debian.sh as root to install them'; fi
exit 0

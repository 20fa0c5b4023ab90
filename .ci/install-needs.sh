#!/usr/bin/env bash
# Installs the programs that some tests need and a fresh Debian machine lacks; needs root. If one cannot be installed, the tests
# that need it are left out, and the end of `npm test` names them.
set -uo pipefail

# Command, and the Debian package that has it.
needs='
turnserver coturn
bwrap      bubblewrap
ip         iproute2
cc         gcc
chromium   chromium
script     bsdutils
unshare    util-linux
mount      mount
ps         procps
'
packages=()
while read -r command package; do
  [ -z "$command" ] || command -v "$command" >/dev/null || packages+=("$package")
done <<<"$needs"
# What the compiler includes, and the modules with which a Python makes an environment.
[ -e /usr/include/stdio.h ] && [ -e /usr/include/linux/if_tun.h ] || packages+=(libc6-dev linux-libc-dev)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)

if [ ${#packages[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  for package in "${packages[@]}"; do
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "could not install $package" >&2
  done
fi

# The network of test/paths reads and writes packets through it; a container may lack the device.
if [ ! -e /dev/net/tun ]; then mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200; fi
exit 0

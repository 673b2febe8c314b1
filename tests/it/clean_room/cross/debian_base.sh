#!/bin/sh
# Writes to $1 the archive of a Debian that compiles for its own architecture only. What the installer has to install is in a
# repository in the image.
set -eu
# shellcheck disable=SC2016 # the shell of the hook expands it
repository='
  set -eu
  packages="gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross"
  APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install --yes --quiet=2 --download-only --no-install-recommends $packages
  mkdir -p "$1/srv/repository"
  mv "$1"/var/cache/apt/archives/*.deb "$1/srv/repository"
  chroot "$1" sh -c "cd /srv/repository && apt-ftparchive packages . >Packages"
  rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*
  echo "deb [trusted=yes] file:/srv/repository ./" >"$1/etc/apt/sources.list"
  # The rest of what is required is there as far as the installer can tell.
  ln -s gcc "$1/usr/bin/clang"
  ln -s make "$1/usr/bin/cmake"'
mmdebstrap --quiet --variant=apt --include=apt-utils,gcc,libc6-dev,make,pkg-config,perl,util-linux \
  --customize-hook="$repository" bookworm "$1"

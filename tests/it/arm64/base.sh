#!/bin/sh
# Writes to $1 the archive of a Debian that compiles for arm64 on x86_64: its Rust, the standard library and the C compiler for
# arm64.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Unpacked, not installed: no script of a package runs, and nothing is emulated. A mirror may be of a fixed day.
packages=base-files,dash,coreutils,findutils,grep,sed,tar,util-linux,rustc,cargo
mmdebstrap --quiet --variant=extract --architectures=amd64,arm64 \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --include="$packages,gcc-aarch64-linux-gnu,libc6-dev:arm64,libstd-rust-dev:arm64" sid "$folder"
ln -s gcc "$folder/usr/bin/cc"
rm -rf "$folder/usr/share/doc" "$folder/usr/share/locale" "$folder/usr/share/man"
tar -C "$folder" -cf "$1" .

#!/bin/sh
# Makes a base image that compiles for arm64 on x86_64: Debian's own Rust, its standard library and its C
# compiler for arm64.
#
#   $1        an empty folder; the image's files stay there, for qemu
#   $2        the image's name
#   $3        its label
#   $4        an archive of the files: taken where it is there, else made, for the next time
set -eu
folder=$1 image=$2 label=$3 archive=$4
if [ -e "$archive" ]; then
  tar -C "$folder" -xf "$archive"
else
  # Unpacked, not installed: no script of a package runs, and nothing is emulated. A mirror may be of a fixed day.
  packages=base-files,dash,coreutils,findutils,grep,sed,tar,util-linux,rustc,cargo
  mmdebstrap --quiet --variant=extract --architectures=amd64,arm64 \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
    --include="$packages,gcc-aarch64-linux-gnu,libc6-dev:arm64,libstd-rust-dev:arm64" sid "$folder"
  ln -s gcc "$folder/usr/bin/cc"
  rm -rf "$folder/usr/share/doc" "$folder/usr/share/locale" "$folder/usr/share/man"
  tar -C "$folder" -cf "$archive.part" .
  mv "$archive.part" "$archive"
fi
docker import --change "LABEL $label" "$archive" "$image"

#!/bin/sh
# Writes to stdout the archive of a base image: packages and Rust toolchain of this machine, as they are
# installed here. Nothing is downloaded; it takes some seconds.
set -eu
packages="base-files dash coreutils findutils grep sed util-linux tar gcc libc6-dev binutils make pkg-config perl-base ca-certificates"
only="--recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck disable=SC2086 # lists of words
all=$(apt-cache depends $only $packages | grep '^[a-z0-9]' | sort -u)
# shellcheck disable=SC2086 # a list of words
dpkg-query --listfiles $all 2>/dev/null |
  grep -v -e '^/usr/share/' -e '^/etc/' -e 'diver' |
  sed -e 's,^/\(bin\|sbin\|lib\|lib64\)/,/usr/\1/,' |
  while read -r file; do
    if [ -L "$file" ] || [ -f "$file" ]; then echo "${file#/}"; fi
  done >"$folder/files"
(cd / && printf '%s\n' bin sbin lib lib64 usr/bin/cc etc/ssl/certs/ca-certificates.crt etc/alternatives/*) >>"$folder/files"
sort -u -o "$folder/files" "$folder/files"

sysroot=$(rustc --print sysroot)
target=lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')
(cd "$sysroot" && ls -d bin/rustc bin/cargo lib/*.so* "$target"/lib/*.rlib "$target"/lib/*.rmeta "$target"/lib/libstd-*.so \
  "$target"/bin/rust-lld "$target"/bin/gcc-ld/*) >"$folder/rust"
mkdir "$folder/tmp" && chmod 1777 "$folder/tmp"

tar() { command tar --owner 0 --group 0 --file "$folder/base.tar" "$@"; }
tar --create --directory / --no-recursion --files-from "$folder/files"
tar --append --directory "$sysroot" --transform 's,^,opt/rust/,' --files-from "$folder/rust"
tar --append --directory "$folder" tmp
cat "$folder/base.tar"

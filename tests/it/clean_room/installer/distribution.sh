#!/bin/sh
# Writes to /distribution what rustup's installer asks a distribution server for: the manifest of the channel 1.2.3, and its
# components as archives. The format is the real one; cargo and rustc are scripts, and the standard library is a word.
set -eu
host=$1
mkdir -p /distribution/dist
cd /distribution/dist
{
  echo 'manifest-version = "2"'
  echo 'date = "2026-01-01"'
} >channel-rust-1.2.3.toml
target() { # PACKAGE ARCHIVE
  printf '[pkg.%s]\nversion = "1.2.3 (fake)"\n[pkg.%s.target.%s]\navailable = true\n' "$1" "$1" "$host"
  printf 'url = "https://static.rust-lang.org/dist/%s"\nhash = "%s"\n' "$2" "$(sha256sum "$2" | cut -d ' ' -f 1)"
}
component() { # NAME FILE MODE CONTENT
  full=$1-1.2.3-$host name=$1
  [ "$name" != rust-std ] || name=$1-$host
  mkdir -p "$full/$name/$(dirname "$2")"
  echo 3 >"$full/rust-installer-version"
  echo "$name" >"$full/components"
  echo "file:$2" >"$full/$name/manifest.in"
  echo "$4" >"$full/$name/$2"
  chmod "$3" "$full/$name/$2"
  tar -czf "$full.tar.gz" "$full"
  target "$1" "$full.tar.gz" >>channel-rust-1.2.3.toml
}
program='#!/bin/sh
echo fake 1.2.3'
component cargo bin/cargo 755 "$program"
component rustc bin/rustc 755 "$program"
component rust-std "lib/rustlib/$host/lib/libstd.rlib" 644 standard
target rust "cargo-1.2.3-$host.tar.gz" >>channel-rust-1.2.3.toml
{
  for name in cargo rustc rust-std; do
    printf '[[pkg.rust.target.%s.components]]\npkg = "%s"\ntarget = "%s"\n' "$host" "$name" "$host"
  done
  printf '[profiles]\nminimal = ["cargo", "rustc", "rust-std"]\n'
} >>channel-rust-1.2.3.toml
sha256sum channel-rust-1.2.3.toml >channel-rust-1.2.3.toml.sha256

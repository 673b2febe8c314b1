#!/bin/sh
# Writes to $1 the archive of a base image in which dnf finds what a builder needs. It is made of Debian's packages; what the
# installer has to install comes as small rpm packages from a repository in the image: links to programs of Debian.
set -eu
# shellcheck disable=SC2016 # the shell in the new root expands it
rpms='
  set -eu
  mkdir -p /srv/repository /tmp/rpm
  package() { # NAME PROGRAM TARGET
    rm -f "/usr/bin/$2"
    {
      printf "Name: %s\nVersion: 1\nRelease: 1\nSummary: %s for a test\nLicense: MIT\nAutoReqProv: no\n" "$1" "$1"
      printf "%%description\nFor a test.\n%%install\nmkdir -p %%{buildroot}/usr/bin\nln -s %s %%{buildroot}/usr/bin/%s\n" "$3" "$2"
      printf "%%files\n/usr/bin/%s\n" "$2"
    } >/tmp/rpm/spec
    rpmbuild -bb --quiet --define "_topdir /tmp/rpm" --define "_rpmdir /srv/repository" /tmp/rpm/spec
  }
  package gcc cc gcc
  package clang clang gcc
  package cmake cmake true
  package make make true
  package pkgconfig pkg-config true
  package binutils readelf "$(readlink /usr/bin/readelf)"
  mv /usr/bin/curl /usr/lib/curl
  package curl curl /usr/lib/curl
  package ca-certificates update-ca-trust true
  createrepo_c --quiet /srv/repository
  rm -rf /tmp/rpm
  mkdir -p /etc/yum.repos.d
  printf "[test]\nname=test\nbaseurl=file:///srv/repository\ngpgcheck=0\n" >/etc/yum.repos.d/test.repo
  # Only dnf is there to install with.
  rm /usr/bin/apt-get
'
mmdebstrap --quiet --variant=minbase --include=dnf,rpm,createrepo-c,gcc,libc6-dev,ca-certificates,curl \
  --customize-hook="chroot \"\$1\" sh -c '$rpms'" bookworm "$1"

#!/bin/sh
# Writes to $1 the archive of a base image in which dnf finds what a builder needs. It is made of Debian's packages; what the
# installer has to install comes as small rpm packages from a repository in the image. Those of this machine are links to
# programs of Debian. Those of arm64 have the files of Debian's cross compiler at the places of Amazon Linux.
set -eu
# shellcheck disable=SC2016 # the shell of the hook expands it
download='
  set -eu
  mkdir "$1/tmp/debs"
  cd "$1/tmp/debs"
  APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download --quiet=2 libc6-arm64-cross libc6-dev-arm64-cross \
    linux-libc-dev-arm64-cross libgcc-s1-arm64-cross libgcc-12-dev-arm64-cross libstdc++6-arm64-cross \
    libstdc++-12-dev-arm64-cross'
# shellcheck disable=SC2016 # the shell in the new root expands it
rpms='
  set -eu
  mkdir -p /tmp/rpm
  package() { # NAME ARCHITECTURE VERSION MORE, with the files of /tmp/files
    {
      printf "Name: %s\nVersion: %s\nRelease: 1\nSummary: %s for a test\nLicense: MIT\nAutoReqProv: no\n" "$1" "$3" "$1"
      printf "%s\n%%description\nFor a test.\n%%install\ncp -a /tmp/files/. %%{buildroot}\n" "$4"
      printf "%%files\n"
      (cd /tmp/files && find . -mindepth 1 -not -type d -printf "/%P\n")
      # The programs of another architecture do not start here.
      [ "$2" = x86_64 ] || printf "%%pre\nexit 1\n"
    } >/tmp/rpm/spec
    rpmbuild -bb --quiet --target "$2" --define "_topdir /tmp/rpm" --define "_rpmdir /srv/repository/2023" \
      --define "debug_package %{nil}" --define "__os_install_post %{nil}" /tmp/rpm/spec
    rm -rf /tmp/files
  }
  of_programs() { # NAME PROGRAM=TARGET...
    name=$1
    shift
    mkdir -p /tmp/files/usr/bin
    for pair; do
      rm -f "/usr/bin/${pair%=*}"
      ln -s "${pair#*=}" "/tmp/files/usr/bin/${pair%=*}"
    done
    package "$name" x86_64 1 ""
  }
  of_programs gcc cc=gcc
  llvm=/usr/lib/llvm-14/bin
  of_programs clang "clang=$llvm/clang" "clang++=$llvm/clang++"
  of_programs lld "ld.lld=$llvm/ld.lld"
  of_programs llvm $(for name in ar nm objcopy ranlib strip; do echo "llvm-$name=$llvm/llvm-$name"; done)
  of_programs cmake cmake=true
  of_programs make make=true
  of_programs pkgconfig pkg-config=true
  of_programs binutils "readelf=$(readlink /usr/bin/readelf)"
  mv /usr/bin/curl /usr/lib/curl
  of_programs curl curl=/usr/lib/curl
  of_programs ca-certificates update-ca-trust=true

  for deb in /tmp/debs/*.deb; do dpkg-deb --extract "$deb" /tmp/arm64; done
  from=/tmp/arm64/usr/aarch64-linux-gnu gcc=usr/lib/gcc/aarch64-amazon-linux
  mkdir -p /tmp/files/usr/lib /tmp/c++/usr/include/c++ "/tmp/c++/$gcc"
  ln -s usr/lib /tmp/files/lib
  ln -s usr/lib64 /tmp/files/lib64
  mv "$from/include/c++/12" /tmp/c++/usr/include/c++
  mv /tmp/c++/usr/include/c++/12/aarch64-linux-gnu /tmp/c++/usr/include/c++/12/aarch64-amazon-linux
  rmdir "$from/include/c++"
  mv "$from/lib" /tmp/files/usr/lib64
  mv "$from/include" /tmp/files/usr/include
  ln -s ../lib64/ld-linux-aarch64.so.1 /tmp/files/usr/lib/ld-linux-aarch64.so.1
  sed -i "s,/usr/aarch64-linux-gnu/lib/,/lib64/,g" /tmp/files/usr/lib64/libc.so
  package glibc-devel aarch64 1 ""
  mkdir -p "/tmp/files/$gcc"
  mv /tmp/arm64/usr/lib/gcc-cross/aarch64-linux-gnu/12 "/tmp/files/$gcc"
  mkdir "/tmp/c++/$gcc/12"
  rm "/tmp/files/$gcc"/12/libstdc++.so
  mv "/tmp/files/$gcc"/12/libstdc++* "/tmp/c++/$gcc/12"
  ln -s ../../../../lib64/libstdc++.so.6 "/tmp/c++/$gcc/12/libstdc++.so"
  package gcc aarch64 1 "Requires: glibc-devel"
  mv /tmp/c++ /tmp/files
  package gcc-c++ aarch64 1 "Requires: gcc"
  mkdir -p /tmp/files/usr/share
  echo C >/tmp/files/usr/share/locale
  # The shell that the scripts would run in.
  package glibc-minimal-langpack aarch64 1 "Provides: /bin/sh"

  # By this package dnf knows the release that is installed.
  mkdir -p /tmp/files/etc
  echo 2023 >/tmp/files/etc/system-release
  package system-release x86_64 2023 "Provides: system-release(releasever) = 2023"
  rpm --install /srv/repository/2023/x86_64/system-release-*.rpm
  for folder in /srv/repository/2023/*; do createrepo_c --quiet "$folder"; done
  rm -rf /tmp/rpm /tmp/debs /tmp/arm64
  mkdir -p /etc/yum.repos.d
  printf "[test]\nname=test\nbaseurl=file:///srv/repository/\$releasever/\$basearch\ngpgcheck=0\n" >/etc/yum.repos.d/test.repo
  # Only dnf is there to install with.
  rm /usr/bin/apt-get
'
mmdebstrap --quiet --variant=minbase --include=dnf,rpm,createrepo-c,gcc,libc6-dev,ca-certificates,curl,clang,lld,llvm \
  --customize-hook="$download" --customize-hook="chroot \"\$1\" sh -c '$rpms'" bookworm "$1"

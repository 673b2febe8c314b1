# Prepares the compiled files of downloaded crates for the image that keeps them: packed into one archive
# if the container has tar and zstd, otherwise unpacked, as hard links.
#
#   $1        cargo's target directory
#   $2        the name of the image
#   $3        the name of the compile that made it
#   then      the folders of the sources
#   stdin     the suffixes of the unit names of the last compile, one per line
#
# Files that were packed during that compile are not packed again.
# Units that earlier compiles kept under the same name are added, because functions share a container.
# Exit status 3: nothing was prepared, because a unit read a source, because the target directory began with other
# dependencies, or because another compile ran after that one and may have used files that no image may contain.
# Run by `sh -c`: POSIX, only coreutils, findutils, grep, sed, flock of util-linux, and if they are
# installed tar and zstd.
set -u
target=$1 name=$2 compile=$3
shift 3
state=$target/.lambda-packager
layout=$state/layout
plain=$layout/plain
own=.lambda-packager

is_the_last() { [ "$(cat "$state/compile")" = "$compile" ]; }
# A crate that is gone from the lockfile may have changed what others left.
[ "$(cat "$state/deps")" = "$name" ] || exit 3

# Checked before taking the lock too: another compile may hold it for minutes.
is_the_last || exit 3
exec 9>"$state/lock" && flock 9 || exit 1
is_the_last || exit 3
rm -rf "$layout" && mkdir -p "$plain/$own" || exit 1
{ grep -e "^$name " "$state/kept"; sed -e "s/^/$name /"; } | sort -u >"$layout/kept"
sed -e "s/^$name //" "$layout/kept" >"$layout/units"
cd "$target" || exit 1
# In both layouts of cargo, see `compile/units.rs`.
hex='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
digest=$hex$hex$hex$hex
find . -path "./$own" -prune -o \( -path './*/.fingerprint/*' -o -path './*/deps/*' -o -path "./*/build/*-$digest" \
  -o -path "./*/build/*/$digest" \) -prune -print | grep -F -f "$layout/units" | xargs cp -al --parents -t "$plain" || exit 1
# If a unit read such a file, the file may differ in another checkout.
{
  find "$plain" \( -path '*/build/*/output' -o -path '*/build/*/run/stdout' \) -exec grep -h -e '^cargo::*rerun-if-changed=' {} + | sed -e 's/^[^=]*=[./]*/ /'
  find "$plain" \( -path '*/deps/*.d' -o -path '*/build/*/out/*.d' \) -exec grep -h -m 1 ': ' {} + | sed -e 's/^[^ ]*: / /' -e 's| /| |g'
} >"$layout/read"
for folder in "$@"; do
  sed -e 's/$/ /' "$layout/read" | grep -q -F -e " ${folder#/}/" -e " ${folder#/} " && rm -rf "$layout" && exit 3
done
# A target directory without `surroundings` is not used, so one that was filled only in part is not used either.
cp "$layout/kept" "$plain/$own/kept" && cp "$state/surroundings" "$plain/$own/surroundings.kept" || exit 1

# rustc writes metadata twice, in a library and beside it, so the compression window is longer than both.
pack() {
  command -v tar && command -v zstd && mkdir -p "$layout/target/$own" && cd "$plain" || return
  archive=$layout/target/$own/kept.tar.zst packed=/dev/null
  mv "$state/along/libraries.tar.zst" "$archive" && packed=$state/along/names
  { tar -c -f - --anchored --no-wildcards -X "$packed" -- * "$own" || : >"$layout/failed"; } |
    zstd -q -1 --long=27 -T0 -B8MiB >>"$archive" && [ ! -e "$layout/failed" ] && rm -rf "$state/along"
}
pack >/dev/null 2>&1 || { rm -rf "$layout/target" && mv "$plain" "$layout/target"; } || exit 1
# What the compile left running lives until now.
kill -KILL -1 2>/dev/null
exit 0

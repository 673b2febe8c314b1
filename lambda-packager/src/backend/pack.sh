# Prints the image that keeps the compiled files of downloaded crates, as an archive of the folder `target`.
#
#   $1        cargo's target directory
#   $2        the name of the image
#   $3        the name of the compile that made it
#   then      the folders of the sources
#   stdin     the suffixes of the unit names of the last compile, one per line
#
# Files that were packed during that compile are not packed again.
# Units that earlier compiles kept under the same name are added, because functions share a container.
# Exit status 3: nothing is printed, because a unit read a source, because the target directory began with other
# dependencies, or because another compile ran after that one and may have used files that no image may contain.
# 4: nothing is printed, because nothing here can pack; the files are in the folder `layout/target`, as hard links.
# Run by `sh -c`: POSIX, only coreutils, findutils, grep, sed, flock of util-linux, and if they are
# installed tar and zstd.
set -u
target=$1 name=$2 compile=$3
shift 3
state=$target/.lambda-packager
layout=$state/layout
own=.lambda-packager

is_the_last() { [ "$(cat "$state/compile")" = "$compile" ]; }
# A crate that is gone from the lockfile may have changed what others left.
[ "$(cat "$state/deps")" = "$name" ] || exit 3

# Checked before taking the lock too: another compile may hold it for minutes.
is_the_last || exit 3
exec 9>"$state/lock" && flock 9 || exit 1
is_the_last || exit 3
rm -rf "$layout" && mkdir -p "$layout/target/$own" "$layout/more/$own" || exit 1
{ grep -e "^$name " "$state/kept"; sed -e "s/^/$name /"; } | sort -u >"$layout/kept"
sed -e "s/^$name //" "$layout/kept" >"$layout/units"
cd "$target" || exit 1
# In both layouts of cargo, see `compile/units.rs`.
hex='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
digest=$hex$hex$hex$hex
find . -path "./$own" -prune -o \( -path './*/.fingerprint/*' -o -path './*/deps/*' -o -path "./*/build/*-$digest" \
  -o -path "./*/build/*/$digest" \) -prune -print | grep -F -f "$layout/units" | sed -e 's|^\./||' >"$layout/entries"
# If a unit read such a file, the file may differ in another checkout.
# shellcheck disable=SC2016 # the inner shells expand it
{
  xargs sh -c 'find "$@" \( -path "*/build/*/output" -o -path "*/build/*/run/stdout" \) -exec grep -h -e "^cargo::*rerun-if-changed=" -e "^cargo::*rustc-link-search=" {} +' sh <"$layout/entries" |
    sed -e 's/^[^=]*=\([a-z]*=\)*[./]*/ /'
  xargs sh -c 'find "$@" \( -path "*/deps/*.d" -o -path "*/build/*/out/*.d" \) -exec grep -h -m 1 ": " {} +' sh <"$layout/entries" |
    sed -e 's/^[^ ]*: / /' -e 's| /| |g'
} >"$layout/read"
for folder in "$@"; do
  sed -e 's/$/ /' "$layout/read" | grep -q -F -e " ${folder#/}/" -e " ${folder#/} " && rm -rf "$layout" && exit 3
done
# A target directory without `surroundings` is not used, so one that was filled only in part is not used either.
cp "$layout/kept" "$layout/more/$own/kept" && cp "$state/surroundings" "$layout/more/$own/surroundings.kept" || exit 1

# What the compile left running lives until now.
kill -KILL -1 2>/dev/null
cd "$layout" || exit 1
# What it unpacks with has to know archives that follow each other.
if ! { command -v zstd && head -c 1024 /dev/zero | tar -t -i -f -; } >/dev/null 2>&1; then
  (cd "$target" && xargs cp -al --parents -t "$layout/target") <entries && cp "more/$own"/* "target/$own" || exit 1
  exit 4
fi

# The names of what the image holds, each once it is there: the first is sent while the last is packed. Without their
# folder, which changes meanwhile: engines make it.
members() {
  packed=/dev/null
  if mv "$state/along/libraries.tar.zst" "target/$own"; then
    packed=$state/along/names
    echo "target/$own/libraries.tar.zst"
  fi 2>/dev/null
  grep -v -x -F -f "$packed" entries >rest
  # rustc writes metadata twice, in a library and beside it, so the compression window is longer than both.
  { { tar -c -f - -C "$target" -T "$layout/rest" && tar -c -f - -C more "$own"; } || : >failed; } |
    zstd -q -1 --long=27 -T0 -B8MiB -o "target/$own/kept.tar.zst" || : >failed
  rm -rf "$state/along"
  echo "target/$own/kept.tar.zst"
}
members | tar -c -f - -T - && [ ! -e failed ]

# Lays out what was compiled of downloaded crates, for the image that is to keep it: packed into one archive
# where the container has what that takes, else as it is, by hard links.
#
#   $1        cargo's target directory
#   $2        the name of the image
#   $3        the name of the compile that made it
#   then      folders of the host, as the container sees them
#   stdin     what the names of the units of the last compile end in, one a line
#
# What was packed along with that compile is not packed again.
# Units of former compiles that were kept under the same name join them: functions share a container.
# Exit status 3: nothing was laid out, since one of them has read a folder of the host, or another compile came
# after that one: it may have seen what no image is to hold.
# Sent to `sh -c`: POSIX, nothing but coreutils, findutils, grep, sed, flock of util-linux, and if they are
# there tar and zstd.
set -u
target=$1 name=$2 compile=$3
shift 3
state=$target/.lambda-packager
layout=$state/layout
plain=$layout/plain
own=.lambda-packager

is_the_last() { [ "$(cat "$state/compile")" = "$compile" ]; }

# Asked before too: the other one may hold the lock for minutes.
is_the_last || exit 3
exec 9>"$state/lock" && flock 9 || exit 1
is_the_last || exit 3
rm -rf "$layout" && mkdir -p "$plain/$own" || exit 1
{ grep -e "^$name " "$state/kept"; sed -e "s/^/$name /"; } | sort -u >"$layout/kept"
sed -e "s/^$name //" "$layout/kept" >"$layout/units"
cd "$target" || exit 1
find . -path "./$own" -prune -o \( -path './*/.fingerprint/*' -o -path './*/build/*' -o -path './*/deps/*' \) \
  -prune -print | grep -F -f "$layout/units" | xargs cp -al --parents -t "$plain" || exit 1
# In another checkout it may say something else.
{
  find "$plain" -path '*/build/*/output' -exec grep -h -e '^cargo::*rerun-if-changed=' {} + | sed -e 's/^[^=]*=[./]*/ /'
  find "$plain" -path '*/deps/*.d' -exec grep -h -m 1 ': ' {} + | sed -e 's/^[^ ]*: / /' -e 's| /| |g'
} >"$layout/read"
for folder in "$@"; do
  sed -e 's/$/ /' "$layout/read" | grep -q -F -e " ${folder#/}/" -e " ${folder#/} " && rm -rf "$layout" && exit 3
done
# A target directory without the second name is not believed: so is one that was not filled to the end.
cp "$layout/kept" "$plain/$own/kept" && cp "$state/surroundings" "$plain/$own/surroundings.kept" || exit 1

# Metadata stands twice in what rustc writes, in a library and beside it: hence the window, longer than both.
pack() {
  command -v tar && command -v zstd && mkdir -p "$layout/target/$own" && cd "$plain" || return
  archive=$layout/target/$own/kept.tar.zst packed=/dev/null
  mv "$state/along/libraries.tar.zst" "$archive" && packed=$state/along/names
  { tar -c -f - --anchored --no-wildcards -X "$packed" -- * "$own" || : >"$layout/failed"; } |
    zstd -q -1 --long=27 -T0 -B8MiB >>"$archive" && [ ! -e "$layout/failed" ] && rm -rf "$state/along"
}
pack >/dev/null 2>&1 || { rm -rf "$layout/target" && mv "$plain" "$layout/target"; }

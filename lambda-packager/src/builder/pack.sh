# Lays out what was compiled of downloaded crates, for the image that is to keep it: packed into one archive
# where the container has what that takes, else as it is, by hard links.
#
#   $1        cargo's target directory
#   $2        the name of the image
#   $3        where the workspace stands
#   stdin     what the names of the units of the last compile end in, one a line
#
# What was packed along with the last compile is not packed again.
# Units of former compiles that were kept under the same name join them: functions share a container.
# Exit status 3: nothing was laid out, since a build script of theirs has read the workspace.
# Sent to `sh -c`: POSIX, nothing but coreutils, findutils, grep, sed, flock of util-linux, and if they are
# there tar and zstd.
set -u
target=$1 name=$2 workspace=$3
state=$target/.lambda-packager
layout=$state/layout
plain=$layout/plain
own=.lambda-packager

exec 9>"$state/lock" && flock 9 || exit 1
rm -rf "$layout" && mkdir -p "$plain/$own" || exit 1
{ grep -e "^$name " "$state/kept"; sed -e "s/^/$name /"; } | sort -u >"$layout/kept"
sed -e "s/^$name //" "$layout/kept" >"$layout/units"
cd "$target" || exit 1
find . -path "./$own" -prune -o \( -path './*/.fingerprint/*' -o -path './*/build/*' -o -path './*/deps/*' \) \
  -prune -print | grep -F -f "$layout/units" | xargs cp -al --parents -t "$plain" || exit 1
# Another checkout's workspace may say something else.
find "$plain" -path '*/build/*/output' -exec grep -h -e '^cargo::*rerun-if-changed=' {} + |
  grep -q -e "=[./]*${workspace#/}/" && rm -rf "$layout" && exit 3
# A target directory without the second name is not believed: so is one that was not filled to the end.
cp "$layout/kept" "$plain/$own/kept" && cp "$state/surroundings" "$plain/$own/surroundings.kept" || exit 1

# Metadata stands twice in what rustc writes, in a library and beside it: hence the window, longer than both.
pack() {
  command -v tar && command -v zstd && mkdir -p "$layout/target/$own" && cd "$plain" || return
  archive=$layout/target/$own/kept.tar.zst packed=/dev/null
  mv "$state/along/libraries.tar.zst" "$archive" && packed=$state/along/names
  { tar -c -f - --anchored --no-wildcards -X "$packed" -- * "$own" || : >"$layout/failed"; } |
    zstd -q -1 --long=27 -T0 -B8MiB >>"$archive" && [ ! -e "$layout/failed" ]
}
pack >/dev/null 2>&1 || { rm -rf "$layout/target" && mv "$plain" "$layout/target"; }

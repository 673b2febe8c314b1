# Lays out by hard links what was compiled of downloaded crates, for the image that is to keep it.
#
#   $1        cargo's target directory
#   $2        the name of the image
#   $3        where the workspace stands
#   stdin     what the names of the units of the last compile end in, one a line
#
# Units of former compiles that were kept under the same name join them: functions share a container.
# Exit status 3: nothing was laid out, since a build script of theirs has read the workspace.
# Sent to `sh -c`: POSIX, nothing but coreutils, findutils, grep, sed, and flock of util-linux.
set -u
target=$1 name=$2 workspace=$3
state=$target/.lambda-packager
layout=$state/layout
inner=$layout/target/.lambda-packager

exec 9>"$state/lock" && flock 9 || exit 1
rm -rf "$layout" && mkdir -p "$inner" || exit 1
{ grep -e "^$name " "$state/kept"; sed -e "s/^/$name /"; } | sort -u >"$inner/kept"
sed -e "s/^$name //" "$inner/kept" >"$layout/units"
cd "$target" || exit 1
find . -path ./.lambda-packager -prune -o \( -path './*/.fingerprint/*' -o -path './*/build/*' -o -path './*/deps/*' \) \
  -prune -print | grep -F -f "$layout/units" | xargs cp -al --parents -t "$layout/target" || exit 1
# Another checkout's workspace may say something else.
find "$layout/target" -path '*/build/*/output' -exec grep -h -e '^cargo::*rerun-if-changed=' {} + |
  grep -q -e "=[./]*${workspace#/}/" && exit 3
# A target directory without that name is not believed: so is one that was not filled to the end.
cp "$state/surroundings" "$inner/surroundings.kept"

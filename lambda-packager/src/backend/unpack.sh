# Makes a target directory of what came out of an image of kept dependencies.
#
#   $1        cargo's target directory
#
# Sent to `sh -c`: POSIX, coreutils, flock of util-linux, and tar and zstd where such was packed.
set -u
cd "$1/.lambda-packager" || exit 1
# Whoever called may be gone, and the next one compile, or have compiled: then it stays as that left it.
exec 9>lock && flock 9 || exit 1
[ ! -e surroundings ] || exit 0
if [ -e kept.tar.zst ]; then
  # Archives stand one behind the other. Both have to be content: tar does not see what zstd finds wrong with the end of an archive.
  { zstd -q -d -c --long=27 kept.tar.zst && rm kept.tar.zst; } | tar -x -p -i -f - -C "$1" && [ ! -e kept.tar.zst ] || exit 1
fi
mv surroundings.kept surroundings

# Fills a target directory with the content of an image of kept dependencies.
#
#   $1        cargo's target directory
#
# Run by `sh -c`: POSIX, coreutils, flock of util-linux, and tar and zstd if the content is packed.
set -u
cd "$1/.lambda-packager" || exit 1
# The caller may be gone and another run may compile, or have compiled: then nothing is changed.
exec 9>lock && flock 9 || exit 1
[ ! -e surroundings ] || exit 0
if [ -e kept.tar.zst ]; then
  # Several archives follow each other. Both programs must succeed: tar does not notice an error that zstd finds at the end.
  { zstd -q -d -c --long=27 kept.tar.zst && rm kept.tar.zst; } | tar -x -p -i -f - -C "$1" && [ ! -e kept.tar.zst ] || exit 1
fi
mv surroundings.kept surroundings

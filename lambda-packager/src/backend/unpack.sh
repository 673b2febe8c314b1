# Fills a target directory with the content of an image of kept dependencies.
#
#   $1        the content
#   $2        cargo's target directory
#   $3        the name of the image
#
# Run by `sh -c`: POSIX, coreutils, flock of util-linux, and tar and zstd if the content is packed.
set -u
packed=$1/.lambda-packager
mkdir -p "$2/.lambda-packager" && cd "$2/.lambda-packager" || exit 1
# The caller may be gone and another run may compile, or have compiled: then nothing is changed.
exec 9>lock && flock 9 || exit 1
[ ! -e surroundings ] || exit 0
if [ -e "$packed/kept.tar.zst" ]; then
  # Several archives follow each other. Both programs must succeed: tar does not notice an error that zstd finds at the end.
  { zstd -q -d -c --long=27 "$packed"/*.tar.zst && : >unpacked; } | tar -x -p -i -f - -C "$2" && rm unpacked || exit 1
else
  cp -R --preserve=mode,timestamps "$1"/* "$1/.lambda-packager" "$2" || exit 1
fi
echo "$3" >deps || exit 1
# Engines do not agree on who owns a copy: what belongs to this user, only it can remove.
rm -rf "$1"/* "$1/.lambda-packager" 2>/dev/null
mv surroundings.kept surroundings

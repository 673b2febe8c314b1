# Packs the libraries of downloaded crates while cargo goes on, with what it leaves of the processors: little is
# left to pack when the compile is over.
#
#   $1        cargo's target directory
#   $2        cargo's process
#   $3        where the sources of its downloads stand
#
# Run by the script of a compile, whose lock it holds until all is packed. Sent to `sh -c`: coreutils, sed, tar and
# zstd, as GNU and most distributions have them; where one cannot do it, everything is packed afterwards.
set -u
state=$1/.lambda-packager
command -v tar && command -v zstd && mkdir "$state/along" && cd "$state/along" || exit
# A unit is named in a message of cargo's once its files are complete. Packed as `pack.sh` packs the rest.
{
  tail -n +1 -f -s 0.1 --pid="$2" ../units |
    sed -u -e "\\|\"manifest_path\":\"$3/|!d" -e '/"fresh":false/!d' -e 's/.*"filenames":\["\([^]]*\)"\].*/\1/' -e 's/","/\n/g' |
    sed -u -n -e "s|^$1/\(.*/deps/[^/]*\)\$|\1|p" |
    nice -n 19 tar -c -v -f - -C "$1" --no-recursion -T - 2>names || : >failed
} | nice -n 19 zstd -q -1 --long=27 -T0 -B8MiB -o part && [ ! -e failed ] && mv part libraries.tar.zst

# Packs the libraries of downloaded crates while cargo runs, at low priority, so that little is
# left to pack when the compile is over.
#
#   $1        cargo's target directory
#   $2        the process ID of cargo
#   $3        the folder of the downloaded sources
#
# Started by compile.sh, whose lock it holds until everything is packed. Run by `sh -c`: coreutils, sed, tar and
# zstd, in GNU's versions or compatible ones. If one of them is missing, everything is packed afterwards.
set -u
state=$1/.lambda-packager
command -v tar && command -v zstd && mkdir "$state/along" && cd "$state/along" || exit
# Cargo prints a message for a unit when its files are complete. They are packed as `pack.sh` packs the rest.
{
  tail -n +1 -f -s 0.1 --pid="$2" ../messages |
    sed -u -e "\\|\"manifest_path\":\"$3/|!d" -e '/"fresh":false/!d' -e 's/.*"filenames":\["\([^]]*\)"\].*/\1/' -e 's/","/\n/g' |
    sed -u -n -e "s|^$1/\(.*/deps/[^/]*\)\$|\1|p" |
    nice -n 19 tar -c -v -f - -C "$1" --no-recursion -T - 2>names || : >failed
} | nice -n 19 zstd -q -1 --long=27 -T0 -B8MiB -o part && [ ! -e failed ] && mv part libraries.tar.zst

#!/bin/sh
# The former command line for packaging; it calls the bin `lambda-packager`.
set -u
usage() {
  echo "usage: docker/build-lambda.sh [dev|prod|docker] [--force-rebuild]" >&2
  exit 2
}
mode=prod force=
for arg in "$@"; do
  case $arg in
    dev | prod | docker) mode=$arg ;;
    --force-rebuild) force=--force ;;
    *) usage ;;
  esac
done
cd "$(dirname "$0")/.." || exit 2
exec docker/lambda-packager build --mode "$mode" ${force:+"$force"}

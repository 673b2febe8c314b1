#!/bin/sh
# The former command line for packaging; it calls the bin `lambda-packager`.
set -u
usage="usage: docker/build-lambda.sh [dev|prod|docker] [--force-rebuild]"
mode=prod force=
for arg in "$@"; do
  case $arg in
    dev | prod | docker) mode=$arg ;;
    --force-rebuild) force=--force ;;
    -h | --help)
      echo "$usage"
      exit
      ;;
    *)
      echo "$usage" >&2
      exit 2
      ;;
  esac
done
cd "$(dirname "$0")/.." || exit 2
exec docker/lambda-packager build --mode "$mode" ${force:+"$force"}

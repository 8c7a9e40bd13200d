#!/usr/bin/env bash
# build.sh NAME:TAG: the image, by podman, buildah or docker, whichever is there (BUILDER= chooses).
#   BASE          the slim Python image, best by digest; the default is the one in the Dockerfile
#   BUILD_FLAGS   further flags, for example "--pull-never --network host"
set -euo pipefail
cd "$(dirname "$0")/.."
image="${1:?usage: build.sh NAME:TAG}"
works() {
  case "$1" in
    docker) docker info >/dev/null 2>&1 ;; # a client alone builds nothing
    *) command -v "$1" >/dev/null ;;
  esac
}
if [ -z "${BUILDER:-}" ]; then
  for one in podman buildah docker; do works "$one" && BUILDER="$one" && break; done
fi
[ -n "${BUILDER:-}" ] || { echo "none of podman, buildah and docker works here" >&2; exit 2; }
flags=(--file Dockerfile --tag "$image"
  --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)"
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
  --build-arg "CREATED=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}" +%Y-%m-%dT%H:%M:%SZ)")
[ -z "${BASE:-}" ] || flags+=(--build-arg "BASE=$BASE")
case "$BUILDER" in
  buildah) command=(buildah build --isolation chroot) ;;
  *) command=("$BUILDER" build) ;;
esac
# shellcheck disable=SC2086
"${command[@]}" "${flags[@]}" ${BUILD_FLAGS:-} .
echo "$image, by $BUILDER"

#!/usr/bin/env bash
# base.sh [NAME]: a stand-in for python:3.11-slim where no registry can be reached, from Debian packages. Needs root,
# debootstrap, and buildah, or what BUILDER= names. The image is Debian 12 with its own Python 3.11, under the name
# localhost/python:3.11-standin.
set -euo pipefail
name="${1:-localhost/python:3.11-standin}"
builder="${BUILDER:-buildah}"
for tool in debootstrap "$builder"; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install $tool" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "debootstrap needs root" >&2; exit 2; }
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$root" >/dev/null
rm -rf "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* \
  "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*
for link in python python3 python3.11; do ln -sf ../../bin/python3.11 "$root/usr/local/bin/$link"; done
path=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "$builder" = buildah ]; then
  container="$(buildah from scratch)"
  buildah add -q "$container" "$root" / >/dev/null
  buildah config --env "PATH=$path" --env LANG=C.UTF-8 --cmd python3 "$container"
  buildah commit -q "$container" "$name" >/dev/null
  buildah rm "$container" >/dev/null
else
  tar --directory "$root" --create . |
    "$builder" import --change "ENV PATH=$path LANG=C.UTF-8" --change 'CMD ["python3"]' - "$name" >/dev/null
fi
echo "$name"

#!/usr/bin/env bash
# Builds the .deb and the .rpm for amd64 and arm64: VERSION=1.0.0 packaging/build.sh DIRECTORY
# The same commit gives the same bytes: every time stamp is SOURCE_DATE_EPOCH (default: the time of the commit).
# NFPM names the program if it is not on PATH; ARCHS and MAINTAINER may be set.
set -euo pipefail
out=$(mkdir -p "${1:?name the directory for the packages}" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
version=${VERSION:?set VERSION, such as 1.0.0}
export VERSION=${version#v}
if ! [[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]]; then
  echo "VERSION must look like 1.2.3 or 1.2.3-rc1, got $version" >&2
  exit 64
fi
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export MAINTAINER=${MAINTAINER:-wazuh-security-lake maintainers <maintainers@wazuh-security-lake.invalid>}
export CGO_ENABLED=0 LC_ALL=C TZ=UTC
umask 022
nfpm=${NFPM:-$(command -v nfpm || true)}
if [ -z "$nfpm" ]; then
  echo "nfpm is missing: go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2" >&2
  exit 69
fi
limit=30000000 # bytes; a larger daemon is a mistake

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
compile() { # GOARCH FILE PACKAGE LDFLAGS
  GOOS=linux GOARCH=$1 go build -trimpath -buildvcs=false -ldflags "-s -w ${4:-}" -o "$2" "$3"
}

common=$stage/common
mkdir -p "$common/man"
cp -R packaging/systemd packaging/monitoring packaging/deb packaging/rpm packaging/config.yaml packaging/copyright packaging/lintian-overrides "$common"
cp docs/OPERATIONS.md docs/AWS.md docs/DURABILITY.md docs/INTEGRATION.md docs/MIGRATION.md docs/OCSF.md "$common"
sed -e "s/@VERSION@/$VERSION/" -e "s/@MAINTAINER@/$MAINTAINER/" -e "s/@DATE@/$(date -u -R -d "@$SOURCE_DATE_EPOCH")/" packaging/changelog.in >"$common/changelog"
host=$(go env GOHOSTARCH)
compile "$host" "$stage/native" ./cmd/wazuh-security-lake "-X main.version=$VERSION"
"$stage/native" man "$common/man"
cp packaging/man/*.[15] "$common/man"
for shell in bash zsh fish; do "$stage/native" completion "$shell" >"$common/completion.$shell"; done
find "$common/man" "$common/changelog" -type f -exec gzip -9n {} +

package() { # GOARCH
  local arch=$1 tree=$stage/$1 size format
  cp -R "$common" "$tree"
  if [ "$arch" = "$host" ]; then
    cp "$stage/native" "$tree/wazuh-security-lake"
  else
    compile "$arch" "$tree/wazuh-security-lake" ./cmd/wazuh-security-lake "-X main.version=$VERSION"
  fi
  compile "$arch" "$tree/custom-security-lake" ./ossec-integration
  size=$(stat -c %s "$tree/wazuh-security-lake")
  if [ "$size" -ge $limit ]; then
    echo "the daemon for $arch has $size bytes, the limit is $limit" >&2
    return 1
  fi
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  for format in deb rpm; do
    (cd "$tree" && ARCH=$arch "$nfpm" package -f "$OLDPWD/packaging/nfpm.yaml" -p "$format" -t "$out") >"$tree.$format" 2>&1 || { cat "$tree.$format" >&2; return 1; }
  done
}
# Side by side: most of the time is compression, which uses one processor.
jobs=()
for arch in ${ARCHS:-amd64 arm64}; do
  (set -e; package "$arch") &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done

#!/usr/bin/env bash
# make lint: formatting, vet, staticcheck, known vulnerabilities (from a database on disk, if VULNDB names one).
set -euo pipefail
cd "$(dirname "$0")/.."
bad=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$bad" ]; then printf 'not gofmt-formatted:\n%s\n' "$bad"; exit 1; fi
go vet ./...
go vet -tags crashpoints ./cmd/...
go mod verify >/dev/null
GOFLAGS=-mod=mod go mod tidy -diff
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install honnef.co/go/tools/cmd/staticcheck@v0.8.2
"$tools/staticcheck" ./...
if [ -n "${VULNDB:-}" ]; then
  GOBIN=$tools go install golang.org/x/vuln/cmd/govulncheck@latest
  "$tools/govulncheck" -db "file://$VULNDB" ./...
fi
echo "lint: clean"

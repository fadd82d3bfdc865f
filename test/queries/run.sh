#!/bin/sh
# Converts the alerts of this folder (or those named, one NDJSON file) to each class that has queries and runs the queries
# of docs/OCSF.md over the result. Needs Go, Node and the package of package.json. Exit 1 on any difference.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
alerts=${1:-$here/alerts.ndjson}
case $alerts in /*) ;; *) alerts=$PWD/$alerts ;; esac
lake=$(mktemp -d)
trap 'rm -rf "$lake"' EXIT
cd "$here"
[ -d node_modules ] || npm install --no-audit --no-fund --no-package-lock --silent
for class in detection_finding security_finding; do
	(cd ../.. && CGO_ENABLED=0 go run ./cmd/wazuh-security-lake convert -o "$lake/$class" --class "$class" "$alerts" >/dev/null)
	echo "== $class"
	node queries.mjs "$lake/$class" "$alerts" ../../docs/OCSF.md
done

#!/usr/bin/env bash
# make e2e: everything with real parts. Nothing in here may skip.
#   1. the daemon as a process against a real S3 server: rotation, midnight, kill -9 at each step, rollback, faults
#      the fault matrix: each way in which the destination fails, through test/faultproxy
#   2. the corpus converted in every class, read by two independent Parquet readers, judged by the OCSF validator
#   3. the documented queries
#   4. the packages in a container that systemd boots (packaging/test/run.sh; needs root). Where that cannot run it says why,
#      and that is a failure when CI is set
# SHARED names the folder with the corpus and the judge (default: ../shared).
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
shared=$(cd "${SHARED:-../shared}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

step() { printf '\n== %s\n' "$*"; }

step "readers from npm"
mkdir -p "$tmp/readers"
cp test/readers/* "$tmp/readers/"
cp "$shared/ocsf/parquet2ndjson.mjs" "$tmp/readers/"
(cd "$tmp/readers" && npm install --no-audit --no-fund --no-package-lock --loglevel=error)

step "daemon against a real S3 server"
WSL_E2E=1 WSL_SHARED="$shared" go test -count=1 -timeout 30m -v ./test/e2e 2>&1 | tee "$tmp/e2e.log" | grep -E '^\s*--- |judge|PASS|FAIL|ok|_test.go' || { cat "$tmp/e2e.log"; exit 1; }
if grep -q -- '--- SKIP' "$tmp/e2e.log"; then echo "a test skipped in make e2e"; exit 1; fi

step "corpus in every class, through DuckDB, hyparquet and the OCSF judge"
go build -trimpath -o "$tmp/wsl" ./cmd/wazuh-security-lake
zcat "$shared/alerts/real-alerts.ndjson.gz" | wc -l
zcat "$shared/alerts/real-alerts.ndjson.gz" >"$tmp/real.ndjson"
alerts=("$shared/alerts/real-alerts.ndjson.gz" "$shared/alerts/invalid-utf8.ndjson")
total=7537
for version in 1.1.0 1.3.0; do
  for class in detection_finding security_finding vulnerability_finding compliance_finding; do
    out="$tmp/lake/$version/$class"
    "$tmp/wsl" convert -o "$out" --class "$class" --ocsf-version "$version" --json "${alerts[@]}" >"$tmp/summary.json"
    case $class in
      detection_finding | security_finding) python3 - "$tmp/summary.json" $total <<'PY'
import json, sys
s = json.load(open(sys.argv[1])); n = int(sys.argv[2])
assert s["read"] == s["rows"] == n and s["rejected"] == 0, s
PY
        ;;
    esac
    mapfile -t files < <(find "$out" -name '*.parquet')
    "$tmp/wsl" validate "${files[@]}"
    (cd "$tmp/readers" && node read.mjs "${files[@]}")
    (cd "$tmp/readers" && node parquet2ndjson.mjs "${files[@]}") >"$tmp/rows.ndjson"
    python3 "$shared/ocsf/validate.py" --unique-uid --schema "$shared/ocsf/ocsf-$version-classes.json" "$tmp/rows.ndjson" | grep -vE '^warning|^    ' | sed "s|^|$version $class: |"
    [ "${PIPESTATUS[0]}" = 0 ]
    case $class in
      detection_finding | security_finding) part=() ;;
      *) part=(--part) ;;
    esac
    "$tmp/wsl" convert -o "$out-leaves" --class "$class" --ocsf-version "$version" "$tmp/real.ndjson" >/dev/null
    mapfile -t files < <(find "$out-leaves" -name '*.parquet')
    (cd "$tmp/readers" && node parquet2ndjson.mjs "${files[@]}") >"$tmp/rows.ndjson"
    python3 test/leaves.py "${part[@]}" "$tmp/real.ndjson" "$tmp/rows.ndjson"
  done
done

step "documented queries against a scan of the alerts"
cp test/queries/*.mjs "$tmp/readers/"
for alerts_file in "$tmp/real.ndjson" "$PWD/test/queries/alerts.ndjson"; do
  for class in detection_finding security_finding; do
    rm -rf "$tmp/lake/queries"
    "$tmp/wsl" convert -o "$tmp/lake/queries" --class "$class" "$alerts_file" >/dev/null
    (cd "$tmp/readers" && node queries.mjs "$tmp/lake/queries" "$alerts_file" "$OLDPWD/docs/OCSF.md")
  done
done

step "OCSF and Parquet tests that need the corpus and the judge"
WSL_SHARED="$shared" go test -count=1 ./ocsf ./lake

step "packages, installed and run by systemd"
if why=$(packaging/test/run.sh --possible); then
  packaging/test/run.sh
else
  echo "NOT RUN: $why"
  [ -z "${CI:-}" ] || exit 1
fi

echo
echo "e2e: all green${why:+, but for the packages}"

#!/usr/bin/env bash
# make bench: convert and DuckDB on the same generated alerts, in turn (A B A B), the whole process measured.
# YARDSTICK names the folder with generator and DuckDB script (default: ../shared/yardstick); SIZE bytes (default 100 MB);
# PAIRS how often (default 5). Prints each run and the medians.
set -euo pipefail
cd "$(dirname "$0")/.."
yard=$(cd "${YARDSTICK:-../shared/yardstick}" && pwd)
size=${SIZE:-100000000}
pairs=${PAIRS:-5}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp -r "$yard/gen" "$yard/duckdb" "$tmp/"
chmod -R u+w "$tmp"
(cd "$tmp/gen" && go build -o "$tmp/generate" .)
(cd "$tmp/duckdb" && npm install --no-audit --no-fund --no-package-lock --loglevel=error >/dev/null)
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$tmp/wsl" ./cmd/wazuh-security-lake
"$tmp/generate" -size "$size" -out "$tmp/alerts.ndjson"
python3 - "$tmp" "$pairs" <<'PY'
import os, resource, statistics, subprocess, sys, glob, shutil, time

tmp, pairs = sys.argv[1], int(sys.argv[2])
size = os.path.getsize(tmp + "/alerts.ndjson")


def run(name, argv, out):
    shutil.rmtree(out, ignore_errors=True)
    if os.path.isfile(out):
        os.remove(out)
    began = time.monotonic()
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, use = os.wait4(p.pid, 0)
    if status:
        sys.exit(f"{name} failed: {status}")
    files = [out] if os.path.isfile(out) else glob.glob(out + "/ext/**/*.parquet", recursive=True)
    r = {"cpu": use.ru_utime + use.ru_stime, "wall": time.monotonic() - began, "rss": use.ru_maxrss / 1024, "mb": sum(map(os.path.getsize, files)) / 1e6}
    print(f"{name:10} cpu {r['cpu']:6.2f} s  wall {r['wall']:6.2f} s  peak RSS {r['rss']:6.0f} MiB  output {r['mb']:6.1f} MB", flush=True)
    return r


ours, theirs = [], []
for _ in range(pairs):
    ours.append(run("convert", [tmp + "/wsl", "convert", "-o", tmp + "/lake", tmp + "/alerts.ndjson"], tmp + "/lake"))
    theirs.append(run("duckdb", ["node", tmp + "/duckdb/duckdb.mjs", tmp + "/alerts.ndjson", tmp + "/out.parquet", "--threads=1"], tmp + "/out.parquet"))
med = lambda rs, k: statistics.median(r[k] for r in rs)
print(f"\nmedians of {pairs} pairs on {size / 1e6:.0f} MB")
for k, unit in (("cpu", "s"), ("wall", "s"), ("rss", "MiB"), ("mb", "MB")):
    a, b = med(ours, k), med(theirs, k)
    print(f"{k:5} convert {a:8.2f} {unit}  duckdb {b:8.2f} {unit}  ratio {a / b:5.2f}")
PY

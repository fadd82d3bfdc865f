#!/usr/bin/env bash
# make bench: convert and DuckDB on the same alerts, in turn (A B A B), the whole process measured: convert as it is and
# on one processor, DuckDB with two threads and with one. Prints each run, the medians, the ratios, and the figures per
# column written and per alert.
# YARDSTICK names the folder with generator and DuckDB script (default: ../shared/yardstick); SIZE bytes (default 100 MB);
# PAIRS how often (default 5); REAL a file of real alerts, plain or .gz: their shapes with other values instead of the
# generator's own; COLUMNS=20 lists the largest columns of both files.
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
shape=()
if [ -n "${REAL:-}" ]; then
	case $REAL in *.gz) zcat "$REAL" ;; *) cat "$REAL" ;; esac >"$tmp/samples.ndjson"
	shape=(-samples "$tmp/samples.ndjson" -share 1 -mutate)
fi
"$tmp/generate" -size "$size" -out "$tmp/alerts.ndjson" "${shape[@]}"
cat >"$tmp/duckdb/columns.mjs" <<'JS'
// node columns.mjs FILE N: rows, columns with how many of them hold nothing, then the N largest columns.
import { DuckDBInstance } from '@duckdb/node-api';
const [file, n] = process.argv.slice(2);
const db = await (await DuckDBInstance.create(':memory:')).connect();
const rows = async (sql) => (await db.runAndReadAll(sql)).getRows().map((r) => r.map(String));
const columns = `(select path_in_schema p, sum(total_compressed_size)::bigint c, sum(total_uncompressed_size)::bigint u, sum(num_values)::bigint n,
  sum(coalesce(stats_null_count, 0))::bigint z from parquet_metadata('${file}') group by 1)`;
const [[count, empty, emptyBytes]] = await rows(`select count(*), count(*) filter (n = z), coalesce(sum(c) filter (n = z), 0)::bigint from ${columns}`);
const [[groups, nrows]] = await rows(`select num_row_groups, num_rows from parquet_file_metadata('${file}')`);
console.log(JSON.stringify({ columns: +count, empty: +empty, emptyBytes: +emptyBytes, groups: +groups, rows: +nrows }));
for (const r of await rows(`select p, c, u, n from ${columns} order by c desc limit ${n}`)) console.log(r.join('\t'));
JS
python3 - "$tmp" "$pairs" "${COLUMNS:-0}" <<'PY'
import glob, json, os, resource, shutil, statistics, subprocess, sys, time

tmp, pairs, listed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
size = os.path.getsize(tmp + "/alerts.ndjson")
lake, duck = tmp + "/lake", tmp + "/out.parquet"


def files(out):
    return [out] if os.path.isfile(out) else sorted(glob.glob(out + "/ext/**/*.parquet", recursive=True))


def run(name, argv, out, env={}):
    shutil.rmtree(out, ignore_errors=True)
    if os.path.isfile(out):
        os.remove(out)
    began = time.monotonic()
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env={**os.environ, **env})
    _, status, use = os.wait4(p.pid, 0)
    if status:
        sys.exit(f"{name} failed: {status}")
    r = {"cpu": use.ru_utime + use.ru_stime, "wall": time.monotonic() - began, "rss": use.ru_maxrss / 1024,
         "mb": sum(map(os.path.getsize, files(out))) / 1e6}
    print(f"{name:18} cpu {r['cpu']:6.2f} s  wall {r['wall']:6.2f} s  peak RSS {r['rss']:6.0f} MiB  output {r['mb']:6.1f} MB", flush=True)
    return r


def columns(path, n="0"):
    lines = subprocess.run(["node", tmp + "/duckdb/columns.mjs", path, n], check=True, capture_output=True, text=True).stdout.splitlines()
    return json.loads(lines[0]), lines[1:]


runs = {
    "convert": ([tmp + "/wsl", "convert", "-o", lake, tmp + "/alerts.ndjson"], lake, {}),
    "duckdb, 2 threads": (["node", tmp + "/duckdb/duckdb.mjs", tmp + "/alerts.ndjson", duck, "--threads=2"], duck, {}),
    "convert, 1 proc": ([tmp + "/wsl", "convert", "-o", lake, tmp + "/alerts.ndjson"], lake, {"GOMAXPROCS": "1"}),
    "duckdb, 1 thread": (["node", tmp + "/duckdb/duckdb.mjs", tmp + "/alerts.ndjson", duck, "--threads=1"], duck, {}),
}
got = {name: [] for name in runs}
for _ in range(pairs):
    for name, (argv, out, env) in runs.items():
        got[name].append(run(name, argv, out, env))
med = lambda name, k: statistics.median(r[k] for r in got[name])
print(f"\nmedians of {pairs} pairs on {size / 1e6:.0f} MB")
for ours, theirs in (("convert, 1 proc", "duckdb, 1 thread"), ("convert", "duckdb, 2 threads")):
    print(f"{ours} / {theirs}")
    for k, unit in (("cpu", "s"), ("wall", "s"), ("rss", "MiB"), ("mb", "MB")):
        a, b = med(ours, k), med(theirs, k)
        print(f"  {k:5} {a:8.2f} / {b:8.2f} {unit:4} ratio {a / b:5.2f}")
objects = [columns(f, listed) for f in files(lake)]
theirs, their_columns = columns(duck, listed)
rows, n = sum(o["rows"] for o, _ in objects), objects[0][0]["columns"]
cpu, their_cpu = med("convert, 1 proc", "cpu"), med("duckdb, 1 thread", "cpu")
print(f"per alert: convert {cpu / rows * 1e6:.1f} us and {med('convert, 1 proc', 'mb') / rows * 1e6:.0f} bytes, duckdb {their_cpu / theirs['rows'] * 1e6:.1f} us and {med('duckdb, 1 thread', 'mb') / theirs['rows'] * 1e6:.0f} bytes")
print(f"per column written: convert {cpu / n * 1e3:.1f} ms and {med('convert, 1 proc', 'mb') / n:.2f} MB ({n} columns), duckdb {their_cpu / theirs['columns'] * 1e3:.1f} ms and {med('duckdb, 1 thread', 'mb') / theirs['columns']:.2f} MB ({theirs['columns']} columns)")
print(f"objects {len(objects)}, row groups {sum(o['groups'] for o, _ in objects)}; columns without any value: {objects[0][0]['empty']} in the first object, {sum(o['emptyBytes'] for o, _ in objects) / 1e6:.1f} MB in all")
if listed != "0":
    print("\nlargest columns (compressed, uncompressed, values): first object of convert, then duckdb")
    print("\n".join(objects[0][1] + [""] + their_columns))
PY

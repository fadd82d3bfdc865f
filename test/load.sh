#!/usr/bin/env bash
# make load: what the daemon costs the host. The real `run` follows an alerts.json that a writer fills at a set rate and
# ships to a file:// lake; CPU, memory and wake-ups are read from /proc.
#   RATE     alerts per second, 0: idle (default 1000)      SECONDS_  how long (default 60)
#   INTERVAL batch.interval (default 5m, the product's)     CLASS     of the one source (default detection_finding)
#   ALERTS   NDJSON to write from, over and over (default: generated, 20 MB; REAL names real alerts to mutate instead)
# "All shipped" is the time a flush takes from the last alert written to the last object acknowledged: lag and seal together.
# Prints one line of figures and fails unless every alert written was shipped.
set -euo pipefail
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if [ -z "${ALERTS:-}" ]; then
  cp -r "${YARDSTICK:-../shared/yardstick}/gen" "$tmp/gen"
  chmod -R u+w "$tmp/gen"
  (cd "$tmp/gen" && CGO_ENABLED=0 go build -o "$tmp/generate" .)
  if [ -n "${REAL:-}" ]; then
    "$tmp/generate" -size 20000000 -out "$tmp/source.ndjson" -samples "$REAL" -share 1 -mutate >/dev/null
  else
    "$tmp/generate" -size 20000000 -out "$tmp/source.ndjson" >/dev/null
  fi
  ALERTS="$tmp/source.ndjson"
fi
[ -n "${WSL:-}" ] || CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$tmp/wsl" ./cmd/wazuh-security-lake
python3 - "$tmp" "${WSL:-$tmp/wsl}" "$ALERTS" "${RATE:-1000}" "${SECONDS_:-60}" "${INTERVAL:-5m}" "${CLASS:-detection_finding}" <<'PY'
import glob, json, os, signal, subprocess, sys, time

tmp, wsl, source, rate, seconds, interval, cls = sys.argv[1:]
rate, seconds = float(rate), float(seconds)
alerts = tmp + "/alerts"
today = time.localtime()
dated = time.strftime(alerts + "/%Y/%b/ossec-alerts-%d.json", today)
os.makedirs(os.path.dirname(dated))
out = open(dated, "wb", buffering=0)
os.link(dated, alerts + "/alerts.json")
config = tmp + "/config.yaml"
with open(config, "w") as f:
    f.write(f"""
input: {{path: {alerts}/alerts.json, dated_dir: {alerts}}}
lake: {{destination: "file://{tmp}/lake", region: us-east-1, account_id: "123456789012"}}
sources: [{{name: wazuh, class: {cls}}}]
batch: {{interval: {interval}}}
spool: {{dir: {tmp}/spool}}
node: load
""")
log = open(tmp + "/log", "wb")
daemon = subprocess.Popen([wsl, "--config", config, "run"], stderr=log, stdout=log)
tick = os.sysconf("SC_CLK_TCK")


def cpu():
    with open(f"/proc/{daemon.pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / tick


def memory(key):
    with open(f"/proc/{daemon.pid}/status") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024


def switches():
    n = 0
    for status in glob.glob(f"/proc/{daemon.pid}/task/*/status"):
        with open(status) as f:
            for line in f:
                if line.startswith("voluntary_ctxt_switches"):
                    n += int(line.split()[1])
    return n


def ledger():
    shipped = rejected = 0
    for name in glob.glob(tmp + "/spool/ledger/*.ndjson"):
        for line in open(name):
            counts = json.loads(line)["manifest"]["counts"]
            shipped += counts["shipped"]
            rejected += counts["rejected"]
    return shipped, rejected


lines = open(source, "rb").read().splitlines(keepends=True)
time.sleep(3)
if daemon.poll() is not None:
    sys.exit(open(tmp + "/log").read())
began, used, woken = time.monotonic(), cpu(), switches()
written = 0
while (now := time.monotonic() - began) < seconds:
    due = int(now * rate) - written
    if due > 0:
        # As analysisd does, with the time of writing: the source is one of two days, and beginning it anew is no step back.
        stamp = time.strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', time.gmtime()).encode() + b"%03d+0000" % (time.time() % 1 * 1000)
        chunk = b"".join(stamp + lines[(written + i) % len(lines)][len(stamp):] for i in range(due))
        out.write(chunk)
        written += due
    time.sleep(0.1)
elapsed = time.monotonic() - began
running, woken, rss = cpu() - used, switches() - woken, memory("VmRSS")
stopped = time.monotonic()
daemon.send_signal(signal.SIGUSR1)  # flush: read to the end of the file, seal, ship
while sum(ledger()) < written and time.monotonic() - stopped < 60:
    time.sleep(0.05)
late = time.monotonic() - stopped
peak = memory("VmHWM")
daemon.send_signal(signal.SIGTERM)
_, status, use = os.wait4(daemon.pid, 0)
if status:
    sys.exit(f"run failed: {status}\n" + open(tmp + "/log").read())
total = use.ru_utime + use.ru_stime - used
shipped, rejected = ledger()
print(f"{rate:g} alerts/s for {elapsed:.0f} s: CPU {100 * total / elapsed:.2f} % of a core with the last seal ({100 * running / elapsed:.2f} % while following), "
      f"RSS {rss:.0f} MiB, peak {peak:.0f} MiB, all shipped {late:.1f} s after the last alert, {woken / elapsed:.1f} wake-ups/s; "
      f"written {written}, shipped {shipped}, rejected {rejected}")
if shipped + rejected != written:
    sys.exit(f"{written - shipped - rejected} alerts are missing")
PY

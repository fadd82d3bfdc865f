# shellcheck shell=bash
# What the steps of run.sh use. name, work, cache, pkg and the ids of what runs are run.sh's.

step() { current=$*; printf '\n== %s (%d s)\n' "$*" $((SECONDS - began)); }
ok() { printf '   ok   %s\n' "$*"; }
die() { printf '   FAIL %s\n' "$*" >&2; exit 1; }

# box runs a command in the container.
box() { nsenter -t "$leader" -m -u -i -n -p -C -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root "$@"; }

# within SECONDS COMMAND... waits until the command succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

# must COMMAND... shows the output of a command that fails, and keeps it in $work/out.
must() { "$@" >"$work/out" 2>&1 || { cat "$work/out"; die "$*"; }; }
# fails CODE COMMAND... is a command that has to fail with that code.
fails() {
  local want=$1 rc=0
  shift
  "$@" >"$work/out" 2>&1 || rc=$?
  [ $rc = "$want" ] || { cat "$work/out"; die "want exit $want, got $rc: $*"; }
}
has() { grep -qE -- "$1" "$work/out" || { cat "$work/out"; die "not said: $1"; }; }

active() { [ "$(box systemctl is-active $name)" = "${1:-active}" ]; }
pid() { box systemctl show -P MainPID $name; }
restarted() { active && [ "$(pid)" != "$before" ] && [ "$(pid)" != 0 ]; } # since before=$(pid)
owner() { box stat -c '%U:%G %a' "$1"; }
owned() { [ "$(owner "$1")" = "$2" ] || die "$1 is $(owner "$1"), want $2"; }

# The journal of the service since the mark. (not --after-cursor: with a filter it skips the first entry)
mark() { marked=$(box date +%s.%6N); }
since() { box journalctl -u $name -o cat -q --no-pager --since "@$marked" "$@"; }
# Not in pipes: grep -q ends early, and pipefail then takes journalctl's broken pipe for a failure.
says() { grep -qE -- "$1" <(since "${@:2}"); }
times() { grep -cE -- "$1" <(since "${@:2}") || true; }
once() { [ "$(times "$@")" = 1 ] || { since; die "want one line, got $(times "$@"): $1"; }; ok "one line: $1"; }
expect() { within "$1" says "${@:2}" || { since; die "the journal does not say: $2"; }; ok "journal: $2"; }

configure() { box tee /etc/$name/config.yaml >/dev/null; } # keeps owner and mode
drop_in() { box mkdir -p /etc/systemd/system/$name.service.d && box tee "/etc/systemd/system/$name.service.d/$1.conf" >/dev/null && box systemctl daemon-reload; }
no_drop_in() { box rm -f "/etc/systemd/system/$name.service.d/$1.conf" && box systemctl daemon-reload; }

file_lake() {
  configure <<YAML
# edited by the administrator
lake: {destination: "file:///var/lib/$name/lake", region: us-east-1, account_id: "123456789012"}
batch: {interval: 2s}
spool: {min_free: 16MiB}
YAML
}
s3_lake() {
  configure <<YAML
# edited by the administrator
lake: {destination: "s3://lake", region: us-east-1, account_id: "123456789012", s3_endpoint: "http://$address", path_style: true, allow_http: true}
batch: {interval: 2s}
spool: {min_free: 16MiB}
YAML
}

# The S3 server, on this side; the container shares the loopback. It comes back under its address.
s3_start() {
  mkdir -p "$work/s3"
  "$cache/s3server" -root "$work/s3" -addr "${address:-127.0.0.1:0}" -access testkey -secret testsecret -bucket lake >"$work/s3.log" 2>&1 &
  s3=$!
  within 20 grep -q ^ready "$work/s3.log" || { cat "$work/s3.log"; die "no S3 server"; }
  address=$(awk '/^ready/ {print $2}' "$work/s3.log")
}
s3_stop() {
  kill "$s3"
  wait "$s3" || true
  s3=''
}

# The stand-in for analysisd.
write() { box systemd-run -q --unit=writer --uid=wazuh --gid=wazuh /opt/writer.sh "$1"; }
unwrite() { box systemctl stop writer; }
rotate() { box systemctl kill --kill-whom=main -s HUP writer; }
some() { write "${1:-100}"; sleep "${2:-2}"; unwrite; } # PER_SECOND SECONDS
written() { box cat /var/ossec/logs/number; }

# rows: those of all objects, in the directory and in S3, read with the packaged program on this side.
rows() { find "$work/root/var/lib/$name/lake" "$work/s3" -name '*.parquet' -print0 2>/dev/null | xargs -0 -r "$work/bin/usr/bin/$name" inspect --rows; }
shipped() { rows | grep -oE 'number=[0-9]+' >"$work/numbers"; sort -u "$work/numbers" >"$work/unique"; }
exact() { shipped; [ "$(wc -l <"$work/numbers")" = "$(written)" ] && [ "$(wc -l <"$work/unique")" = "$(written)" ]; }
all_there() {
  within 60 exact || { since | tail -20; die "in the lake: $(wc -l <"$work/numbers") rows, $(wc -l <"$work/unique") different; written: $(written)"; }
  ok "$(written) alerts written, $(written) rows, all different"
}
waiting() { box sh -c "ls -d /var/lib/$name/outbox/[0-9]*" >"$work/out" 2>/dev/null && [ -s "$work/out" ]; }

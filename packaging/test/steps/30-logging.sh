# shellcheck shell=bash
# entries FILTER... are journal entries as JSON, one a line.
entries() { box journalctl -u $name -o json -q --no-pager "$@"; }

step "journal: priorities and fields"
since -p err | grep . && die "errors in a healthy run"
ok "journalctl -p err: empty in a healthy run"
batch=$(entries | grep -o '"BATCH":"[0-9]*"' | tail -1 | tr -dc 0-9)
[ -n "$batch" ] || die "no field BATCH"
entries "BATCH=$batch" >"$work/out"
has '"MESSAGE":"batch sealed'
has '"MESSAGE":"object shipped'
for field in PRIORITY BATCH ROWS BYTES; do [ "$(grep -c "\"$field\":\"[0-9]" "$work/out")" = 2 ] || { cat "$work/out"; die "no field $field"; }; done
for field in SOURCE KEY ATTEMPT; do has "\"$field\":\""; done
ok "journalctl BATCH=$batch: sealed and shipped, with PRIORITY, ROWS, BYTES, SOURCE, KEY, ATTEMPT"
entries -p warning >"$work/out"
has '"ERR":"'
entries SOURCE=wazuh >"$work/out"
has "object shipped"
ok "ERR of a warning; SOURCE=wazuh"
entries "_PID=$(pid)" | grep -v '"_TRANSPORT":"journal"' && die "the running daemon writes to stderr"
ok "the daemon speaks the journal's own protocol"
mark
box sh -c "echo '{\"timestamp\":\"no time\",\"full_log\":\"password-in-an-alert\"}' | runuser -u wazuh -- tee -a /var/ossec/logs/alerts/alerts.json" >/dev/null
expect 20 "lines rejected" -p warning
box journalctl --no-pager | grep -e password-in-an-alert -e 'number=[0-9]' && die "alert content in the journal"
must box $name rejects list
ok "a rejected line is counted and kept; no alert content in the journal"

step "format text and json under systemd, on a terminal, into a file"
for format in text json; do
  echo WAZUH_LAKE_LOG_FORMAT=$format | box tee -a /etc/default/$name >/dev/null
  mark
  must box systemctl restart $name
  expect 5 'msg(=|":")started'
  says 'msg(=|":")started' -p err && die "log.format: $format has everything at priority err"
  box sed -i '/LOG_FORMAT/d' /etc/default/$name
done
box systemctl stop $name
as_service() { box runuser -u $name -- timeout --preserve-status -s TERM 2 "$@"; }
must box runuser -u $name -- script -qec "timeout --foreground --preserve-status -s TERM 2 $name run" /dev/null
has '^time=[^ ]* level=INFO msg=started'
ok "on a terminal: text"
as_service $name run >"$work/out" 2>&1
python3 -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert any(line["msg"] == "started" for line in lines), lines' <"$work/out" || { cat "$work/out"; die "not JSON in a pipe"; }
ok "in a pipe: JSON"
box sed -i "1a log: {file: /var/log/$name/service.log}" /etc/$name/config.yaml
must box systemctl start $name
box systemctl stop $name
owned /var/log/$name "$name:$name 750"
box truncate -s 50M /var/log/$name/service.log # what lumberjack rotates at
must box systemctl start $name
rotated() { [ "$(box sh -c "ls /var/log/$name/service-*.log" | wc -l)" = 1 ]; }
within 5 rotated || { box ls -la /var/log/$name; die "not rotated"; }
box cat /var/log/$name/service.log >"$work/out"
has '^\{"time":.*"msg":"started"'
[ "$(box stat -c %U /var/log/$name/service.log)" = $name ] || die "owner of the log file"
ok "log.file: JSON, rotated at 50 MiB by lumberjack, under the hardened unit"
box rm -rf /var/log/$name/service-*
file_lake
mark
must box systemctl restart $name

#!/usr/bin/env bash
# The packages for real: build, lint, then install, run, break, upgrade and remove them in a systemd container.
#
#   CACHE=DIR packaging/test/run.sh          as root on Debian or Ubuntu; about 5 minutes, the first time 3 more
#
# CACHE keeps the debootstrap tree and the S3 server between runs (default ~/.cache/wazuh-security-lake-packaging).
# PACKAGES names a directory with packages 1.0.0 and 1.1.0 built before; then nothing is built here.
# Exits non-zero at the first step that fails and prints the container's journal then.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "run this as root" >&2; exit 77; }
cache=${CACHE:-${HOME:-/root}/.cache/wazuh-security-lake-packaging}
mkdir -p "$cache"
work=$(mktemp -d)
name=wazuh-security-lake
leader='' container='' s3='' groups=''

cleanup() {
  local rc=$?
  set +e
  if [ $rc != 0 ] && [ -n "$leader" ]; then
    echo "---- journal of the service"
    box journalctl -u $name --no-pager -n 60 -o short
  fi
  if [ -n "$leader" ]; then box systemctl poweroff --force --force; fi
  if [ -n "$container" ]; then kill "$container"; wait "$container"; fi
  if [ -n "$s3" ]; then kill "$s3"; wait "$s3"; fi
  mountpoint -q "$work/root" && umount "$work/root"
  mountpoint -q "$work/rw" && umount "$work/rw"
  rm -rf "$work"
  if [ -n "$groups" ]; then find /sys/fs/cgroup -depth -type d -path '*/payload*' -exec rmdir {} +; fi # empty ones that nspawn leaves
  [ $rc = 0 ] || echo "FAILED in step: $current"
} 2>/dev/null
trap cleanup EXIT

current=start
step() { current=$*; printf '\n== %s\n' "$*"; }
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
    sleep 0.3
  done
}
must() { "$@" >"$work/out" 2>&1 || { cat "$work/out"; die "$*"; }; }
active() { [ "$(box systemctl is-active $name)" = "${1:-active}" ]; }
pid() { box systemctl show -P MainPID $name; }
# says PATTERN: the journal of the service since the mark has it.
# (not --after-cursor: with a filter it skips the first entry)
mark() { marked=$(box date +%s.%6N); }
since() { box journalctl -u $name -o cat -q --no-pager --since "@$marked" "$@"; }
# Not in pipes: grep -q ends early, and pipefail then takes journalctl's broken pipe for a failure.
says() { grep -qE -- "$1" <(since "${@:2}"); }
expect() { within "$1" says "$2" || { box journalctl -u $name --no-pager -n 30; die "the journal does not say: $2"; }; ok "journal: $2"; }
configure() { box tee /etc/$name/config.yaml >/dev/null; } # keeps owner and mode
write() { box systemd-run -q --unit=writer --uid=wazuh --gid=wazuh /opt/writer.sh "$1"; }
unwrite() { box systemctl stop writer; }
written() { box cat /var/ossec/logs/number; }
# rows: those of all objects, in the directory and in S3, read with the packaged program on this side.
rows() { find "$work/root/var/lib/$name/lake" "$work/s3" -name '*.parquet' -print0 2>/dev/null | xargs -0 -r "$work/bin/usr/bin/$name" inspect --rows; }
shipped() { rows | grep -oE 'number=[0-9]+' >"$work/numbers"; sort -u "$work/numbers" >"$work/unique"; }
exact() { shipped; [ "$(wc -l <"$work/numbers")" = "$(written)" ] && [ "$(wc -l <"$work/unique")" = "$(written)" ]; }
all_there() {
  within 60 exact || die "in the lake: $(wc -l <"$work/numbers") rows, $(wc -l <"$work/unique") different; written: $(written)"
  ok "$(written) alerts written, $(written) rows, all different"
}

step "tools"
missing=''
for tool in lintian:lintian systemd-nspawn:systemd-container debootstrap:debootstrap rpm:rpm mandoc:mandoc; do
  command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"
done
# shellcheck disable=SC2086
if [ -n "$missing" ]; then DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; fi
export NFPM=${NFPM:-$(command -v nfpm || echo "$cache/nfpm")}
if [ ! -x "$NFPM" ]; then GOBIN=$cache CGO_ENABLED=0 go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2; fi
ok "$("$NFPM" --version 2>/dev/null | grep -m1 -iE 'version|v2' || echo nfpm)"

step "build: 1.0.0 twice, 1.1.0"
pkg=${PACKAGES:-$work/pkg}
if [ -z "${PACKAGES:-}" ]; then
  VERSION=1.0.0 packaging/build.sh "$pkg" >/dev/null
  ARCHS=amd64 VERSION=1.0.0 packaging/build.sh "$work/again" >/dev/null
  for f in "$work"/again/*; do cmp "$f" "$pkg/${f##*/}" || die "${f##*/} differs between two builds"; done
  ok "two builds, the same bytes"
  ARCHS=amd64 VERSION=1.1.0 packaging/build.sh "$pkg" >/dev/null
fi
[ "$(find "$pkg" -type f | wc -l)" = 6 ] || die "want 6 packages"
(cd "$pkg" && stat -c '        %s %n' ./*)
dpkg-deb -x "$pkg/${name}_1.0.0_amd64.deb" "$work/bin"
[ "$(rpm -qp --qf '%{PAYLOADCOMPRESSOR}' "$pkg/$name-1.0.0-1.x86_64.rpm" 2>/dev/null)" = gzip ] || die "payload of the rpm is not gzip"
dpkg-deb -f "$pkg/${name}_1.0.0_arm64.deb" Architecture | grep -qx arm64
ok "gzip payload, arm64"

step "lint"
lintian --fail-on error,warning "$pkg/${name}_1.0.0_amd64.deb" "$pkg/${name}_1.0.0_arm64.deb" || die lintian
ok "lintian: no error, no warning beyond packaging/lintian-overrides"
for page in packaging/man/*; do mandoc -T lint -W error "$page"; done
ok "manual pages"

step "container"
tree=$cache/tree
if [ ! -e "$cache/tree.ok" ]; then
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' "Codename: bookworm" | head -1)
  rm -rf "$tree"
  debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,procps,iproute2,rpm bookworm "$tree" "$mirror" >"$cache/debootstrap.log"
  touch "$cache/tree.ok"
fi
if [ ! -x "$cache/s3server" ]; then (cd test/s3server && CGO_ENABLED=0 go build -trimpath -o "$cache/s3server" .); fi
mkdir "$work/rw" "$work/root"
mount -t tmpfs -o size=2G tmpfs "$work/rw"
mkdir "$work/rw/u" "$work/rw/w"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$work/rw/u,workdir=$work/rw/w" "$work/root"
install -D -m 755 packaging/test/writer.sh "$work/root/opt/writer.sh"
if [ -z "$(find /sys/fs/cgroup -maxdepth 4 -type d -name payload)" ]; then groups=ours; fi
systemd-nspawn -q -D "$work/root" --register=no --keep-unit --boot --machine=wsl-packaging --console=pipe --link-journal=no \
  --resolv-conf=off --bind-ro="$pkg:/mnt" </dev/null >"$work/console" 2>&1 &
container=$!
within 20 pgrep -P $container || { cat "$work/console"; die "no container"; }
leader=$(pgrep -P $container)
booted() { [[ $(box systemctl is-system-running) =~ running|degraded ]]; }
within 60 booted || { tail "$work/console"; die "the container does not boot"; }
ok "$(box systemctl --version | head -1) runs as PID 1"

step "install where there is no manager"
mark
box dpkg -i /mnt/${name}_1.0.0_amd64.deb >"$work/out" 2>&1 || { cat "$work/out"; die "dpkg -i"; }
grep -q "install this on a Wazuh manager" "$work/out" || die "no warning about the missing manager"
grep -q "not started. Fill in" "$work/out" || die "no next step"
active inactive && [ "$(box systemctl is-enabled $name || true)" = disabled ] || die "started or enabled"
must box dpkg -V $name
[ "$(box stat -c '%U:%G %a' /etc/$name/config.yaml)" = "root:$name 640" ] || die "mode of config.yaml"
[ "$(box stat -c '%U:%G %a' /var/spool/$name)" = "$name:wazuh 2750" ] || die "mode of the inbox"
ok "not started, not enabled, modes as they should be"
must box systemd-analyze verify --man=no $name.service
box systemd-analyze security --no-pager --threshold=15 $name.service | tail -1
must box systemd-analyze security --no-pager --threshold=15 $name.service
ok "systemd-analyze verify, exposure at most 1.5"
box systemctl start $name 2>/dev/null && die "started without a configuration"
expect 5 "lake.destination: must be set"
active failed || die "an invalid configuration is tried again"
ok "exit $(box systemctl show -P ExecMainStatus $name), not tried again"

file_lake() {
  configure <<YAML
# edited by the administrator
lake: {destination: "file:///var/lib/$name/lake", region: us-east-1, account_id: "123456789012"}
batch: {interval: 2s}
spool: {min_free: 16MiB}
YAML
}
file_lake
mark
box systemctl start $name 2>/dev/null && die "started without a manager"
expect 5 "/var/ossec does not exist"
box systemctl stop $name
mark
box gpasswd -d $name wazuh >/dev/null
box groupdel wazuh
box systemctl start $name 2>/dev/null && die "started without a group"
expect 5 "/var/ossec does not exist"
says 216/GROUP && die "216/GROUP"
says "/var/ossec does not exist" -p err || die "not at priority err"
ok "without group wazuh the service itself says what is missing, at priority err"
box systemctl stop $name

step "manager there: start, alerts, rotation"
box useradd -r -g wazuh -d /var/ossec -s /usr/sbin/nologin wazuh
box install -d -m 750 -o root -g wazuh /var/ossec /var/ossec/etc /var/ossec/integrations
box install -d -m 770 -o wazuh -g wazuh /var/ossec/logs
box install -d -m 750 -o wazuh -g wazuh /var/ossec/logs/alerts
box sh -c 'echo secret >/var/ossec/etc/client.keys; chgrp wazuh /var/ossec/etc/client.keys; chmod 640 /var/ossec/etc/client.keys'
mark
must box systemctl start $name
active || die "not active"
ok "active once READY=1 came (Type=notify)"
[ "$(box stat -c '%U:%G %a' /var/lib/$name)" = "$name:$name 750" ] || die "mode of the state directory"
write 100
sleep 3
box systemctl kill --kill-whom=main -s HUP writer
sleep 3
box systemctl kill --kill-whom=main -s HUP writer
sleep 3
unwrite
all_there
[ "$(box sh -c 'ls /var/ossec/logs/alerts/*/*/*.json' | wc -l)" = 3 ] || die "no rotation"
ok "two rotations; status line: $(box systemctl show -P StatusText $name)"
root=/proc/$(pid)/root
box cat "$root/var/ossec/etc/client.keys" >/dev/null 2>&1 && die "client.keys is visible in the service's file system"
ok "client.keys is out of reach"
memory=$(box awk '/VmHWM/ {print $2}' "/proc/$(pid)/status")
ok "peak resident memory so far: $memory KiB"

step "journal"
since -p err | grep . && die "errors in a healthy run"
ok "journalctl -p err: empty in a healthy run"
mark
batch=$(box journalctl -u $name -o json --no-pager | grep -o '"BATCH":"[0-9]*"' | tail -1 | tr -dc 0-9)
[ -n "$batch" ] && [ -n "$(box journalctl -u $name "BATCH=$batch" -o cat -q --no-pager)" ] || die "no field BATCH"
grep -q "object shipped" <(box journalctl -u $name SOURCE=wazuh -o cat --no-pager) || die "no field SOURCE"
ok "journalctl BATCH=$batch and SOURCE=wazuh find their entries"
echo WAZUH_LAKE_LOG_FORMAT=text | box tee -a /etc/default/$name >/dev/null
mark
must box systemctl restart $name
expect 5 "msg=started"
says "msg=started" -p err && die "log.format: text has everything at priority err"
box sed -i '/LOG_FORMAT/d' /etc/default/$name
must box systemctl restart $name

step "status"
must box $name status
box useradd -r -G wazuh,$name alice
box useradd -r -G wazuh bob
must box runuser -u alice -- $name status
grep -q "read $(written) = shipped $(written)" "$work/out" || { cat "$work/out"; die "accounting"; }
grep -q "running, pid" "$work/out" || { cat "$work/out"; die "status as alice does not see that it runs"; }
grep -q ERROR "$work/out" && { cat "$work/out"; die "status as alice has an error"; }
ok "as a member of wazuh and $name"
rc=0
box runuser -u bob -- $name status >"$work/out" 2>&1 || rc=$?
[ $rc = 77 ] && grep -q remedy "$work/out" || { cat "$work/out"; die "want exit 77 with a remedy, got $rc"; }
ok "as a member of wazuh alone: exit 77 with the remedy"

step "kill -9 under load"
write 200
sleep 2
before=$(pid)
mark
box kill -9 "$before"
restarted() { active && [ "$(pid)" != "$before" ] && [ "$(pid)" != 0 ]; }
within 40 restarted || die "not restarted"
ok "restarted by systemd, NRestarts $(box systemctl show -P NRestarts $name)"
sleep 2
unwrite
all_there

step "hang: the watchdog"
box mkdir -p /etc/systemd/system/$name.service.d
printf '[Service]\nWatchdogSec=12\nRestartSec=1\n' | box tee /etc/systemd/system/$name.service.d/test.conf >/dev/null
box systemctl daemon-reload
must box systemctl restart $name
write 50
before=$(pid)
mark
box kill -STOP "$before"
within 60 restarted || die "the watchdog did not restart it"
expect 5 "Watchdog timeout"
says "goroutine " || die "no stack"
ok "the stacks are in the journal"
unwrite
all_there

step "reload"
mark
before=$(pid)
echo 'lake: {destinatoin: x}' | configure
must box systemctl reload $name
expect 10 "configuration refused, the old one is kept"
write 50
sleep 2
unwrite
all_there
[ "$(pid)" = "$before" ] || die "restarted"
file_lake
mark
must box systemctl reload $name
expect 10 "configuration changed"
active && [ "$(pid)" = "$before" ] || die "restarted"
ok "same process"

step "upgrade 1.0.0 to 1.1.0 under load"
before=$(pid)
write 200
sleep 1
must box dpkg --force-confold -i /mnt/${name}_1.1.0_amd64.deb
within 20 restarted || die "not restarted after the upgrade"
[[ $(box $name version) == *1.1.0* ]] || die version
box grep -q "edited by the administrator" /etc/$name/config.yaml || die "the edited configuration is gone"
[ "$(box stat -c '%U:%G %a' /etc/$name/config.yaml)" = "root:$name 640" ] || die "mode of config.yaml"
sleep 2
unwrite
all_there
box systemctl stop $name
must box dpkg --force-confold -i /mnt/${name}_1.1.0_amd64.deb
active inactive || die "an upgrade started a stopped service"
ok "restarted only when it was running; the edited configuration stays"

step "permission lost and given back"
box systemctl start $name
box systemctl stop $name
mark
box chmod 700 /var/ossec/logs/alerts
box systemctl start $name 2>/dev/null && die "started without access"
expect 5 "chmod g"
box chmod 750 /var/ossec/logs/alerts
within 30 active || die "does not come back by itself"
ok "comes back by itself"

step "state tools as the service's user"
box systemctl stop $name
box sh -c "$name position show >/tmp/position"
must box runuser -u $name -- $name position set --file /tmp/position --yes
mark
must box systemctl start $name
write 50
sleep 2
unwrite
all_there
box systemctl stop $name
box sh -c "$name position show >/tmp/position"
must box $name position set --file /tmp/position --yes # by root: its files are out of reach
mark
box systemctl start $name 2>/dev/null && die "started with a state of root"
expect 5 "chown -R $name"
must box chown -R $name: /var/lib/$name
within 30 active || die "does not come up after the remedy"
ok "and the remedy of the line works when root did it"

step "integration mode"
must box /usr/lib/$name/custom-security-lake --install
box systemctl stop $name
box sed -i '1a input: {mode: integration}' /etc/$name/config.yaml
mark
must box systemctl start $name
for i in 1 2 3; do
  box sh -c "echo '{\"timestamp\":\"$(date -u +%Y-%m-%dT%H:%M:%S.000+0000)\",\"rule\":{\"level\":3,\"description\":\"d\",\"id\":\"9\"},\"manager\":{\"name\":\"node\"},\"full_log\":\"inbox=$i.\"}' >/tmp/x-$i.alert; chown wazuh: /tmp/x-$i.alert"
  must box runuser -u wazuh -- /var/ossec/integrations/custom-security-lake /tmp/x-$i.alert "" "" ""
done
in_lake() { [ "$(rows | grep -oE 'inbox=[0-9]+' | sort | tr '\n' ' ')" = "inbox=1 inbox=2 inbox=3 " ]; }
within 30 in_lake || { box ls -laR /var/spool/$name; die "alerts of the inbox are not in the lake"; }
since -p err | grep . && die "errors"
ok "three alerts from user wazuh through the inbox, under the hardened unit"
box systemctl stop $name
file_lake
box systemctl start $name

step "S3 with LoadCredential"
mkdir "$work/s3"
"$cache/s3server" -root "$work/s3" -addr 127.0.0.1:0 -access testkey -secret testsecret -bucket lake >"$work/s3.log" 2>&1 &
s3=$!
within 20 grep -q ^ready "$work/s3.log" || { cat "$work/s3.log"; die "no S3 server"; }
address=$(awk '/^ready/ {print $2}' "$work/s3.log")
box install -d -m 700 /etc/credstore
printf '[default]\naws_access_key_id = testkey\naws_secret_access_key = testsecret\n' | box tee /etc/credstore/$name.aws >/dev/null
box chmod 600 /etc/credstore/$name.aws
printf '[Service]\nLoadCredential=aws:/etc/credstore/%s.aws\nEnvironment=AWS_SHARED_CREDENTIALS_FILE=%%d/aws\n' $name |
  box tee /etc/systemd/system/$name.service.d/credentials.conf >/dev/null
s3_lake() {
  configure <<YAML
lake: {destination: "s3://lake", region: us-east-1, account_id: "123456789012", s3_endpoint: "http://$1", path_style: true, allow_http: true}
batch: {interval: 2s}
spool: {min_free: 16MiB}
YAML
}
s3_lake "$address"
box systemctl daemon-reload
mark
must box systemctl restart $name
write 100
sleep 3
unwrite
all_there
[ "$(find "$work/s3" -name '*.parquet' | wc -l)" -gt 0 ] || die "nothing in S3"
ok "$(find "$work/s3" -name '*.parquet' | wc -l) objects in S3, the key readable for root only"

step "destination gone: remove keeps the spool, reinstall ships it"
kill $s3
wait $s3 || true
s3=''
write 100
sleep 4
unwrite
waiting() { box sh -c "ls -d /var/lib/$name/outbox/[0-9]*" >"$work/out" 2>/dev/null && [ -s "$work/out" ]; }
within 20 waiting || die "nothing waits"
box dpkg -r $name >"$work/out" 2>&1 || { cat "$work/out"; die remove; }
grep -E "unsent batches stay" "$work/out" || { cat "$work/out"; die "nothing said about the spool"; }
waiting || die "the spool is gone"
box test -e /etc/$name/config.yaml || die "the configuration is gone"
box sh -c 'echo other >/var/ossec/integrations/custom-security-lake'
must box dpkg --force-confold -i /mnt/${name}_1.1.0_amd64.deb
active inactive || die "started by the installation"
must box cmp /var/ossec/integrations/custom-security-lake /usr/lib/$name/custom-security-lake
[ "$(box stat -c '%U:%G %a' /var/ossec/integrations/custom-security-lake)" = "root:wazuh 750" ] || die "mode of the installed custom-security-lake"
ok "the copy that integratord runs is renewed"
"$cache/s3server" -root "$work/s3" -addr "$address" -access testkey -secret testsecret -bucket lake >"$work/s3.log" 2>&1 &
s3=$!
within 20 grep -q ^ready "$work/s3.log" || { cat "$work/s3.log"; die "no S3 server"; }
must box systemctl start $name
all_there

step "purge"
kill $s3
wait $s3 || true
s3=''
write 100
sleep 4
unwrite
within 20 waiting || die "nothing waits"
box systemctl enable -q $name
box dpkg -P $name >"$work/out" 2>&1 || { cat "$work/out"; die purge; }
grep -E "WARNING: removing [1-9][0-9]* unsent" "$work/out" || { cat "$work/out"; die "no warning"; }
box find / -xdev -name "*$name*" -not -path '/proc/*' -not -path '/mnt/*' -not -path '/etc/credstore/*' -not -path '/var/log/*' -not -path '/run/*' | grep . && die "left behind"
box getent passwd $name && die "the user is still there"
box getent group wazuh >/dev/null || die "group wazuh is the manager's"
ok "nothing left, after the warning"

step "rpm (Debian's rpm: no RHEL userland here)"
must box rpm -i --nodeps /mnt/$name-1.0.0-1.x86_64.rpm
grep -q "not started" "$work/out" || die "no next step"
active inactive || die "started"
must box rpm -V --nodeps $name
[ "$(box stat -c '%U:%G %a' /etc/$name/config.yaml)" = "root:$name 640" ] || die "mode of config.yaml"
file_lake
box sh -c 'rm -rf /var/ossec/logs/number /var/ossec/logs/alerts/*'
rm -rf "$work/s3"
must box systemctl start $name
before=$(pid)
write 100
sleep 1
must box rpm -U --nodeps /mnt/$name-1.1.0-1.x86_64.rpm
within 20 restarted || die "not restarted after the upgrade"
[[ $(box $name version) == *1.1.0* ]] || die version
box grep -q "edited by the administrator" /etc/$name/config.yaml || die "the edited configuration is gone"
sleep 3
unwrite
all_there
box rpm -e --nodeps $name >"$work/out" 2>&1 || { cat "$work/out"; die erase; }
grep "unsent batches" "$work/out" || { cat "$work/out"; die "nothing said about the spool"; }
box test -d /var/lib/$name/shipped || die "the state is gone"
box test -e /etc/$name/config.yaml.rpmsave || die "the edited configuration is gone"
ok "install, verify, upgrade, erase"

echo
echo "packaging: all green"

# shellcheck shell=bash
step "install where there is no manager"
mark
must box dpkg -i /mnt/${name}_1.0.0_amd64.deb
has "install this on a Wazuh manager"
has "not started. Fill in"
active inactive && [ "$(box systemctl is-enabled $name || true)" = disabled ] || die "started or enabled"
must box dpkg -V $name
owned /etc/$name/config.yaml "root:$name 640"
owned /var/spool/$name "$name:wazuh 2750"
owned /var/spool/$name/rescue "$name:wazuh 2770"
ok "not started, not enabled, modes as they should be"
box sh -c 'command -v go' && die "this tree has Go"
must box test -s /etc/ssl/certs/ca-certificates.crt
must box $name version
has '1\.0\.0'
box /usr/lib/$name/custom-security-lake --help >"$work/out" 2>&1 || true
has "usage: custom-security-lake"
for program in /usr/bin/$name /usr/lib/$name/custom-security-lake; do
  fails 1 box ldd $program
  has "not a dynamic executable"
done
ok "static, without Go; CA certificates are there"
must box systemd-analyze verify --man=no $name.service
[ ! -s "$work/out" ] || { cat "$work/out"; die "systemd-analyze verify is not clean"; }
must box systemd-analyze security --no-pager --threshold=14 $name.service
ok "systemd-analyze verify is clean; exposure: $(grep -oE 'exposure level.*' "$work/out")"

step "start without configuration, manager, group"
box systemctl start $name 2>/dev/null && die "started without a configuration"
expect 5 "lake.destination: must be set"
active failed || die "an invalid configuration is tried again"
ok "exit $(box systemctl show -P ExecMainStatus $name), not tried again"
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

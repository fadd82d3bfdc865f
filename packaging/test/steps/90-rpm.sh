# shellcheck shell=bash
step "rpm (Debian's rpm: no RHEL userland here)"
must box rpm -i --nodeps /mnt/$name-1.0.0-1.x86_64.rpm
has "not started"
active inactive || die "started"
must box rpm -V --nodeps $name
owned /etc/$name/config.yaml "root:$name 640"
box cp -p /etc/$name/config.yaml /root/config.yaml
file_lake
box sh -c 'rm -rf /var/ossec/logs/number /var/ossec/logs/alerts/*'
rm -rf "$work/s3"
mark
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
must box runuser -u bob -- $name status
fails 1 box rpm -V --nodeps $name
[ "$(grep -vcE '^S\.5\.\.\.\.T\.  c /etc/wazuh-security-lake/config.yaml$' "$work/out" || true)" = 0 ] || { cat "$work/out"; die "rpm -V: more than the edited configuration"; }
ok "rpm -V after the service ran: nothing but the edited configuration"
must box rpm -e --nodeps $name
has "unsent batches"
box test -d /var/lib/$name/shipped || die "the state is gone"
box test -e /etc/$name/config.yaml.rpmsave || die "the edited configuration is gone"
ok "install, verify, upgrade, erase"

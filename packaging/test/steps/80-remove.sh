# shellcheck shell=bash
step "spool tools by root while objects wait"
s3_stop
some
within 20 waiting || die "nothing waits"
box systemctl stop $name
must box $name spool retarget s3://lake s3://elsewhere
must box $name spool retarget s3://elsewhere s3://lake
has "objects now go to s3://lake"
must box $name spool verify
box find /var/lib/$name ! -user $name -o ! -group $name | grep . && die "files of root in the state directory"
fails 1 box runuser -u bob -- sh -c "cat /var/lib/$name/outbox/*/*.parquet"
ok "retargeted there and back, nothing of root's; Parquet only for the service"
must box systemctl start $name

step "remove keeps the spool, reinstall ships it"
must box dpkg -r $name
has "unsent batches stay"
waiting || die "the spool is gone"
box test -e /etc/$name/config.yaml || die "the configuration is gone"
box sh -c 'echo other >/var/ossec/integrations/custom-security-lake'
must box dpkg --force-confold -i /mnt/${name}_1.1.0_amd64.deb
active inactive || die "started by the installation"
must box cmp /var/ossec/integrations/custom-security-lake /usr/lib/$name/custom-security-lake
owned /var/ossec/integrations/custom-security-lake "root:wazuh 750"
ok "the copy that integratord runs is renewed"
s3_start
must box systemctl start $name
all_there

step "purge"
s3_stop
some
within 20 waiting || die "nothing waits"
box systemctl enable -q $name
must box dpkg -P $name
has "WARNING: removing [1-9][0-9]* unsent"
box find / -xdev -name "*$name*" -not -path '/proc/*' -not -path '/mnt/*' -not -path '/etc/credstore/*' -not -path '/run/*' | grep . && die "left behind"
box getent passwd $name && die "the user is still there"
box getent group wazuh >/dev/null || die "group wazuh is the manager's"
must box dpkg -P $name
ok "nothing left, after the warning"

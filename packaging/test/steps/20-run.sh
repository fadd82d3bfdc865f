# shellcheck shell=bash
step "manager there: start, alerts, rotation"
box useradd -r -g wazuh -d /var/ossec -s /usr/sbin/nologin wazuh
box install -d -m 750 -o root -g wazuh /var/ossec /var/ossec/etc /var/ossec/integrations
box install -d -m 770 -o wazuh -g wazuh /var/ossec/logs
box install -d -m 750 -o wazuh -g wazuh /var/ossec/logs/alerts
box sh -c 'echo secret >/var/ossec/etc/client.keys; chgrp wazuh /var/ossec/etc/client.keys; chmod 640 /var/ossec/etc/client.keys'
mark
must box systemctl start $name
active || die "not active"
[[ $(box systemctl show -P StatusText $name) == building* ]] || die "no status line when READY=1 came: $(box systemctl show -P StatusText $name)"
must box $name status
has "running, pid"
ok "active once READY=1 came (Type=notify), with a status line: $(box systemctl show -P StatusText $name)"
owned /var/lib/$name "$name:$name 750"
write 100
sleep 2
rotate
sleep 2
rotate
sleep 2
unwrite
all_there
[ "$(box sh -c 'ls /var/ossec/logs/alerts/*/*/*.json' | wc -l)" = 3 ] || die "no rotation"
ok "two rotations; status line: $(box systemctl show -P StatusText $name)"
root=/proc/$(pid)/root
box cat "$root/var/ossec/etc/client.keys" >/dev/null 2>&1 && die "client.keys is visible in the service's file system"
ok "client.keys is out of reach"
ok "peak resident memory so far: $(box awk '/VmHWM/ {print $2}' "/proc/$(pid)/status") KiB"
must box dpkg -V $name
ok "dpkg -V is clean after the service ran"

step "status for root and for members of group wazuh"
must box $name status
box useradd -r -G wazuh,$name alice
box useradd -r -G wazuh bob
box useradd -r carol
for user in alice bob; do
  must box runuser -u $user -- $name status
  has "read $(written) = shipped $(written)"
  has "running, pid"
  grep -q ERROR "$work/out" && { cat "$work/out"; die "status as $user has an error"; }
done
ok "as a member of both groups, and of wazuh alone"
fails 77 box runuser -u carol -- $name status
has remedy
ok "as somebody else: exit 77 with the remedy"

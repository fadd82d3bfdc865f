# shellcheck shell=bash
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
must box systemctl start $name

step "doctor, flush, drain by root"
must box $name doctor
ok "doctor: nothing failed"
write 50
sleep 1
must box $name flush
unwrite
must box $name drain
within 10 active inactive || die "started again after a drain"
[ "$(box systemctl show -P ExecMainStatus $name)" = 0 ] || die "exit $(box systemctl show -P ExecMainStatus $name)"
all_there
box find /var/lib/$name ! -user $name -o ! -group $name | grep . && die "files of root in the state directory"
ok "shipped all, exit 0, not started again"
must box systemctl start $name

# shellcheck shell=bash
step "manager upgraded under the service: alerts re-owned, tree replaced"
must box systemctl start $name
some 100
all_there
before=$(pid)
mark
box chown root:root /var/ossec/logs/alerts
box chmod 700 /var/ossec/logs/alerts
expect 20 "input not readable, trying again" -p warning
sleep 5
once "input not readable, trying again"
box chown wazuh:wazuh /var/ossec/logs/alerts
box chmod 750 /var/ossec/logs/alerts
expect 20 "input readable again failures="
some 100
all_there
mark
box mv /var/ossec /var/ossec.old
expect 20 "input not readable, trying again" -p warning
sleep 5
once "input not readable, trying again"
box cp -a /var/ossec.old /var/ossec.new
box mv /var/ossec.new /var/ossec
expect 20 "input readable again failures="
some 100
all_there
says "alerts lost" && die "a gap"
active && [ "$(pid)" = "$before" ] || die "restarted"
box rm -rf /var/ossec.old
ok "the same process all the time"

step "permission lost while it was stopped, and given back"
box systemctl stop $name
mark
box chmod 700 /var/ossec/logs/alerts
box systemctl start $name 2>/dev/null && die "started without access"
expect 5 "chmod g" -p err
box chmod 750 /var/ossec/logs/alerts
within 30 active || die "does not come back by itself"
ok "comes back by itself"

step "inbox of another owner and mode: mended at the start"
box systemctl stop $name
box chown root:root /var/spool/$name
box chmod 700 /var/spool/$name /var/spool/$name/rescue
mark
must box systemctl start $name
owned /var/spool/$name "$name:wazuh 2750"
owned /var/spool/$name/rescue "$name:wazuh 2770"
sleep 1
says "inbox could not be marked" && die "the daemon found a wrong inbox"
ok "by tmpfiles, before the daemon"

step "position set by root"
box systemctl stop $name
box sh -c "$name position show >/tmp/position"
must box $name position set --file /tmp/position --yes
mark
must box systemctl start $name
some 50
all_there
box find /var/lib/$name ! -user $name -o ! -group $name | grep . && die "files of root in the state directory"
ok "its files belong to $name"

# shellcheck shell=bash
# The test waits for restarts often enough.
printf '[Service]\nRestartSec=2\n' | drop_in restart

step "kill -9 under load"
write 200
sleep 2
before=$(pid)
mark
box kill -9 "$before"
within 40 restarted || die "not restarted"
ok "restarted by systemd, NRestarts $(box systemctl show -P NRestarts $name)"
sleep 2
unwrite
all_there

step "hang: the watchdog"
printf '[Service]\nWatchdogSec=12\n' | drop_in watchdog
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
no_drop_in watchdog
must box systemctl restart $name

step "reload"
mark
before=$(pid)
echo 'lake: {destinatoin: x}' | configure
must box systemctl reload $name
expect 10 "configuration refused, the old one is kept" -p err
some 50
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
owned /etc/$name/config.yaml "root:$name 640"
sleep 2
unwrite
all_there
must box runuser -u bob -- $name status
box systemctl stop $name
must box dpkg --force-confold -i /mnt/${name}_1.1.0_amd64.deb
active inactive || die "an upgrade started a stopped service"
ok "restarted only when it was running; the edited configuration stays"

# shellcheck shell=bash
# The container: the debootstrap tree under an overlay in memory, systemd as its first process, the network of the host.

step "container"
if [ -n "$tree" ]; then
  wait "$tree" || { tail "$cache/debootstrap.log"; die debootstrap; }
  tree=''
fi
mkdir "$work/rw" "$work/root"
mount -t tmpfs -o size=2G tmpfs "$work/rw"
mkdir "$work/rw/u" "$work/rw/w"
mount -t overlay overlay -o "lowerdir=$cache/tree,upperdir=$work/rw/u,workdir=$work/rw/w" "$work/root"
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

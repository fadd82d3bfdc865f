#!/usr/bin/env bash
# The packages for real: built, linted, then installed, run, broken, upgraded and removed in a container that systemd boots.
#
#   packaging/test/run.sh              as root on Debian or Ubuntu; installs what it needs
#   packaging/test/run.sh --possible   exits 0 if it can run here, else says why not and exits 69
#
# CACHE     keeps the debootstrap tree, nfpm and the S3 server between runs (default ~/.cache/wazuh-security-lake-packaging)
# PACKAGES  a directory with packages 1.0.0 and 1.1.0 built before; then nothing is built here
# STEPS     which files of steps/ run, for whoever works on them: STEPS='1* 2* 7*'; the first two are needed by the others
#
# Exits non-zero at the first step that fails and prints the journal of the service then.
set -euo pipefail
cd "$(dirname "$0")/../.."

possible() {
  [ "$(id -u)" = 0 ] || { echo "not root: the test mounts and boots a container"; return 69; }
  command -v apt-get >/dev/null || { echo "no apt-get: the container is made with debootstrap"; return 69; }
  unshare --mount --pid --fork true 2>/dev/null || { echo "namespaces cannot be made here: an unprivileged container?"; return 69; }
  unshare --mount sh -c 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d" && mkdir "$d/l" "$d/u" "$d/w" "$d/m" &&
    mount -t overlay overlay -o "lowerdir=$d/l,upperdir=$d/u,workdir=$d/w" "$d/m" && umount "$d/m" "$d" && rmdir "$d"' 2>/dev/null ||
    { echo "tmpfs or overlay cannot be mounted here"; return 69; }
}
possible || exit
[ "${1:-}" != --possible ] || exit 0

cache=${CACHE:-${HOME:-/root}/.cache/wazuh-security-lake-packaging}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
work=$(mktemp -d)
name=wazuh-security-lake
began=$SECONDS current=start
leader='' container='' s3='' imds='' tree='' groups='' address=''
. packaging/test/lib.sh

cleanup() {
  local rc=$?
  set +e
  if [ $rc != 0 ] && [ -n "$leader" ]; then
    echo "---- journal of the service"
    box journalctl -u $name --no-pager -n 60 -o short
  fi
  if [ -n "$leader" ]; then box systemctl poweroff --force --force; fi
  for process in $container $s3 $imds $tree; do kill "$process"; wait "$process"; done
  mountpoint -q "$work/root" && umount "$work/root"
  mountpoint -q "$work/rw" && umount "$work/rw"
  rm -rf "$work"
  if [ -n "$groups" ]; then find /sys/fs/cgroup -depth -type d -path '*/payload*' -exec rmdir {} +; fi # empty ones that nspawn leaves
  [ $rc = 0 ] || echo "FAILED in step: $current"
} 2>/dev/null
trap cleanup EXIT

. packaging/test/packages.sh
. packaging/test/boot.sh
read -ra patterns <<<"${STEPS:-*}"
for file in packaging/test/steps/*.sh; do
  for pattern in "${patterns[@]}"; do
    # shellcheck disable=SC2254
    case ${file##*/} in $pattern) . "$file" ;; esac
  done
done

printf '\npackaging: all green in %d s\n' $((SECONDS - began))

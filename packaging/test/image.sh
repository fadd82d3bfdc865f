#!/usr/bin/env bash
# Does what container/Dockerfile says, without a container engine, in the new directory DIR: image.sh DIR
# Then the list of files must be the one below, and the program must run in there, with nothing else, as the image's user.
# It knows the instructions that the Dockerfile has, and fails at any other.
set -euo pipefail
dir=${1:?name a new directory}
mkdir "$dir"
dir=$(cd "$dir" && pwd)
cd "$(dirname "$0")/../.."
file=packaging/container/Dockerfile
export VERSION=1.0.0 CGO_ENABLED=0
out=$dir/out root=$dir/root
mkdir "$out" "$root"

# Where a path of the build stage is on this machine.
built() { case $1 in /out/*) echo "$out/${1#/out/}" ;; /usr/local/go/*) echo "$(go env GOROOT)/${1#/usr/local/go/}" ;; *) echo "$1" ;; esac; }
copy() { # [--from=build] [--chown=U:G] SOURCE... DESTINATION
  local from='' chown='' path target
  while [[ $1 == --* ]]; do
    case $1 in --from=build) from=build ;; --chown=*) chown=${1#*=} ;; *) echo "COPY $1?" >&2; return 1 ;; esac
    shift
  done
  local to=$root${*: -1}
  for path in "${@:1:$#-1}"; do
    if [ -n "$from" ]; then path=$(built "$path"); fi
    if [ -d "$path" ]; then
      mkdir -p "$to" && cp -a "$path/." "$to/" && chmod --reference="$path" "$to"
    else
      case $to in */) target=$to${path##*/} ;; *) target=$to ;; esac
      install -D -m "$(stat -Lc %a "$path")" "$path" "$target"
    fi
    if [ -n "$chown" ]; then chown -R "$chown" "$to"; fi
  done
}

stage='' entry='' user='' environment=()
while read -r word rest; do
  case $stage:$word in
    :FROM) stage=build ;;
    build:FROM) [ "$rest" = scratch ] || { echo "the image is made from $rest" >&2; exit 1; }; stage=scratch ;;
    build:ARG | build:WORKDIR) ;;
    build:COPY) [ "$rest" = ". ." ] ;;
    build:RUN) bash -euc "${rest//\/out\//$out/}" ;;
    scratch:COPY) eval "copy $rest" ;;
    scratch:ENV) read -ra environment <<<"$rest" ;;
    scratch:USER) user=$rest ;;
    scratch:ENTRYPOINT) entry=$(tr -d '[]"' <<<"$rest") ;;
    scratch:VOLUME | scratch:STOPSIGNAL | scratch:CMD) ;;
    *) echo "$file: $word in stage ${stage:-none}?" >&2; exit 1 ;;
  esac
done < <(sed -e '/^#/d' -e '/^$/d' -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' "$file")

got=$(cd "$root" && find . -printf '%M %U %P\n' | sort -k 3)
want='drwxr-xr-x 0 
drwxr-xr-x 0 etc
-rw-r--r-- 0 etc/group
-rw-r--r-- 0 etc/passwd
drwxr-xr-x 0 etc/ssl
drwxr-xr-x 0 etc/ssl/certs
-rw-r--r-- 0 etc/ssl/certs/ca-certificates.crt
drwxrwxrwt 0 tmp
drwxr-xr-x 0 usr
drwxr-xr-x 0 usr/bin
-rwxr-xr-x 0 usr/bin/wazuh-security-lake
drwxr-xr-x 0 usr/local
drwxr-xr-x 0 usr/local/go
drwxr-xr-x 0 usr/local/go/lib
drwxr-xr-x 0 usr/local/go/lib/time
-rw-r--r-- 0 usr/local/go/lib/time/zoneinfo.zip
drwxr-xr-x 0 var
drwxr-xr-x 0 var/lib
drwxr-x--- 10001 var/lib/wazuh-security-lake'
diff <(echo "$want") <(echo "$got") || { echo "the image holds other files" >&2; exit 1; }
echo "image: $(du -sm "$root" | cut -f1) MB, $(find "$root" -type f | wc -l) files: binary, certificates, time zones, user"

inside() { env -i "${environment[@]}" TZ=Europe/Berlin "$(command -v chroot)" --userspec="$user" "$root" "$entry" "$@"; }
[[ $(inside version) == *1.0.0* ]]
inside demo --dir /tmp/lake | grep -E '^read [0-9]+ = shipped [0-9]+ \+ filtered 0 \+ rejected 0$'
rm -rf "$dir"

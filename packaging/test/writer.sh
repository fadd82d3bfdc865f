#!/bin/bash
# Stands in for analysisd in the container: writer.sh PER_SECOND appends numbered alerts to the dated file, which alerts.json
# is a hard link to. SIGHUP rotates: the next part is created, alerts.json unlinked and linked anew. Numbers go on across runs.
set -eu
rate=$1 dir=/var/ossec/logs/alerts number=/var/ossec/logs/number
umask 027
rotate=0
trap 'rotate=1' HUP
n=$(cat $number 2>/dev/null || echo 0)
day=$dir/$(LC_ALL=C date +%Y/%b/ossec-alerts-%d)
mkdir -p "$(dirname "$day")"
part() { ls "$day"*.json 2>/dev/null | wc -l; }
file=$day.json
[ "$(part)" -le 1 ] || file=$day-$(printf %03d $(($(part) - 1))).json
while :; do
  if [ $rotate = 1 ] || ! [ $dir/alerts.json -ef "$file" ]; then # -ef: it may be of yesterday
    if [ $rotate = 1 ]; then file=$day-$(printf %03d "$(part)").json; fi
    rotate=0
    : >>"$file"
    rm -f $dir/alerts.json
    ln "$file" $dir/alerts.json
  fi
  now=$(date +%Y-%m-%dT%H:%M:%S.%3N%z) text=
  for ((i = 0; i < (rate + 9) / 10; i++)); do
    n=$((n + 1))
    text+='{"timestamp":"'$now'","rule":{"level":5,"description":"packaging test","id":"100001","groups":["test"]},"agent":{"id":"000","name":"node"},"manager":{"name":"node"},"id":"'$n.$n'","full_log":"number='$n'.","decoder":{"name":"test"},"location":"test"}'$'\n'
  done
  printf %s "$text" >>"$file"
  echo $n >$number
  sleep 0.1
done

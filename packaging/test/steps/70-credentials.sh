# shellcheck shell=bash
# in_s3 has the service ship some alerts into S3 with the credentials that the unit has now.
in_s3() {
  local had
  had=$(find "$work/s3" -name '*.parquet' | wc -l)
  some
  all_there
  [ "$(find "$work/s3" -name '*.parquet' | wc -l)" -gt "$had" ] || die "nothing new in S3"
}

step "S3 with LoadCredential"
s3_start
box install -d -m 700 /etc/credstore
printf '[default]\naws_access_key_id = testkey\naws_secret_access_key = testsecret\n' | box tee /etc/credstore/$name.aws >/dev/null
box chmod 600 /etc/credstore/$name.aws
printf '[Service]\nLoadCredential=aws:/etc/credstore/%s.aws\nEnvironment=AWS_SHARED_CREDENTIALS_FILE=%%d/aws\n' $name | drop_in credentials
box systemctl stop $name
s3_lake
mark
must box systemctl start $name
fails 1 box runuser -u $name -- cat /etc/credstore/$name.aws
in_s3
ok "the key file is readable for root only"

step "destination gone and back: one line each"
before=$(pid)
s3_stop
mark
write 100
expect 30 "upload failed, will be tried again" -p warning
sleep 6
unwrite
once "upload failed, will be tried again"
[[ $(box systemctl show -P StatusText $name) =~ "wazuh " ]] || die "the status line does not name the source: $(box systemctl show -P StatusText $name)"
s3_start
expect 60 "upload works again source=wazuh failures=[0-9]+ lasted="
once "upload works again"
all_there
[ "$(pid)" = "$before" ] || die "restarted"
no_drop_in credentials

step "S3 with credential_process"
# As aws_signing_helper would be used: a program, a key that the service may read, credentials that soon expire.
box install -m 640 -g $name /dev/null /etc/$name/helper.key
echo 'testkey testsecret' | box tee /etc/$name/helper.key >/dev/null
box tee /usr/local/bin/signing-helper >/dev/null <<'HELPER'
#!/bin/sh
set -e
[ "$1" = credential-process ] && [ "$(id -un)" = wazuh-security-lake ]
read -r id secret </etc/wazuh-security-lake/helper.key
date >>/tmp/helper-calls
printf '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s","Expiration":"%s"}\n' "$id" "$secret" "$(date -u -d '+10 seconds' +%Y-%m-%dT%H:%M:%SZ)"
HELPER
box chmod 755 /usr/local/bin/signing-helper
printf '[default]\ncredential_process = /usr/local/bin/signing-helper credential-process\n' | box tee /etc/$name/aws-config >/dev/null
echo AWS_CONFIG_FILE=/etc/$name/aws-config | box tee -a /etc/default/$name >/dev/null
mark
must box systemctl restart $name
in_s3
sleep 8
in_s3
calls=$(box sh -c "wc -l </proc/$(pid)/root/tmp/helper-calls")
[ "$calls" -ge 2 ] || die "the helper ran $calls times; its credentials last 10 s"
ok "the helper runs as $name in the sandbox, again when its credentials expire ($calls times)"
box chmod 600 /etc/$name/helper.key
mark
must box systemctl restart $name
some 50
expect 30 "upload failed, will be tried again" -p err
since -p err >"$work/out"
has "class=configuration"
has "remedy="
since >"$work/out"
has "signing-helper: .*Permission denied"
ok "a helper that fails: one line with the remedy, and what the helper itself said"
box chmod 640 /etc/$name/helper.key
must box systemctl restart $name # it would come back by itself, within a minute
all_there
box sed -i '/AWS_CONFIG_FILE/d' /etc/default/$name
box rm -f /etc/$name/helper.key /etc/$name/aws-config /usr/local/bin/signing-helper

step "S3 with an instance profile (IMDSv2 stand-in on loopback)"
python3 packaging/test/imds.py testkey testsecret >"$work/imds.log" 2>&1 &
imds=$!
within 20 grep -q ^ready "$work/imds.log" || { cat "$work/imds.log"; die "no metadata server"; }
echo "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://$(awk '/^ready/ {print $2}' "$work/imds.log")" | box tee -a /etc/default/$name >/dev/null
mark
must box systemctl restart $name
in_s3
grep -q '^credentials' "$work/imds.log" || { cat "$work/imds.log"; die "the service did not ask for credentials"; }
grep -q '^refused' "$work/imds.log" && { cat "$work/imds.log"; die "asked without a token"; }
since -p err | grep . && die "errors"
ok "token first, then role and credentials: $(tr '\n' ' ' <"$work/imds.log")"
box sed -i '/AWS_EC2_METADATA/d' /etc/default/$name
kill $imds
wait $imds || true
imds=''
printf '[Service]\nLoadCredential=aws:/etc/credstore/%s.aws\nEnvironment=AWS_SHARED_CREDENTIALS_FILE=%%d/aws\n' $name | drop_in credentials
must box systemctl restart $name

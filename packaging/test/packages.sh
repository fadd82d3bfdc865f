# shellcheck shell=bash
# Tools, packages, linters, the image: everything that needs no container.

step "tools"
missing=''
for tool in lintian:lintian systemd-nspawn:systemd-container debootstrap:debootstrap rpm:rpm rpmlint:rpmlint mandoc:mandoc; do
  command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"
done
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing) >"$work/out" 2>&1 || { cat "$work/out"; die "apt-get install$missing"; }
fi
ok "${missing:-all there}"

# Beside the builds: it takes a minute or two, the first time.
if [ ! -e "$cache/tree.ok" ]; then
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' "Codename: bookworm" | head -1)
  rm -rf "$cache/tree"
  (debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,procps,rpm bookworm "$cache/tree" ${mirror:+"$mirror"} >"$cache/debootstrap.log" 2>&1 &&
    touch "$cache/tree.ok") &
  tree=$!
fi
export NFPM=${NFPM:-$(command -v nfpm || echo "$cache/nfpm")}
if [ ! -x "$NFPM" ]; then GOBIN=$cache CGO_ENABLED=0 go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2; fi
if [ ! -x "$cache/s3server" ]; then (cd test/s3server && CGO_ENABLED=0 go build -trimpath -o "$cache/s3server" .); fi
ok "nfpm, S3 server"

step "build: 1.0.0 twice, 1.1.0"
pkg=${PACKAGES:-$work/pkg}
if [ -z "${PACKAGES:-}" ]; then
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
  export SOURCE_DATE_EPOCH # for all of them, also when somebody commits meanwhile
  must env VERSION=1.0.0 packaging/build.sh "$pkg"
  must env ARCHS=amd64 VERSION=1.0.0 packaging/build.sh "$work/again"
  for f in "$work"/again/*; do cmp "$f" "$pkg/${f##*/}" || die "${f##*/} differs between two builds"; done
  rm -r "$work/again"
  ok "two builds, the same bytes"
  must env ARCHS=amd64 VERSION=1.1.0 packaging/build.sh "$pkg"
fi
[ "$(find "$pkg" -type f | wc -l)" = 6 ] || die "want 6 packages"
for arch in amd64 arm64; do
  dpkg-deb -x "$pkg/${name}_1.0.0_$arch.deb" "$work/$arch"
  dpkg-deb -f "$pkg/${name}_1.0.0_$arch.deb" Architecture | grep -qx $arch || die "architecture of the deb"
  for program in usr/bin/$name usr/lib/$name/custom-security-lake; do
    size=$(stat -c %s "$work/$arch/$program")
    [ "$size" -lt 30000000 ] || die "$program for $arch has $size bytes"
    ok "$arch $program: $size bytes"
  done
done
ln -s amd64 "$work/bin"
(cd "$pkg" && stat -c '        %s %n' ./*)
[ "$(rpm -qp --qf '%{PAYLOADCOMPRESSOR}' "$pkg/$name-1.0.0-1.x86_64.rpm" 2>/dev/null)" = gzip ] || die "payload of the rpm is not gzip"
[ "$(rpm -qp --qf '%{ARCH}' "$pkg/$name-1.0.0-1.aarch64.rpm" 2>/dev/null)" = aarch64 ] || die "architecture of the rpm"
ok "gzip payload, arm64"
contents() { dpkg-deb -c "$pkg/${name}_1.0.0_amd64.deb" | awk '{print $6}' | sed 's/^\.//'; }
contents >"$work/out"
for file in usr/lib/systemd/system/$name.service etc/default/$name usr/share/doc/$name/monitoring/dashboard.json usr/share/doc/$name/monitoring/rules.yaml \
  usr/share/bash-completion/completions/$name usr/share/zsh/vendor-completions/_$name usr/share/fish/vendor_completions.d/$name.fish; do
  has "^/$file\$"
done
rpm -qlp "$pkg/$name-1.0.0-1.x86_64.rpm" 2>/dev/null >"$work/out"
has "^/usr/share/doc/$name/monitoring/rules.yaml\$"
has "^/usr/share/zsh/site-functions/_$name\$"
ok "completions, dashboard and alert rules are in both"

step "lint"
must lintian --allow-root --fail-on error,warning "$pkg/${name}_1.0.0_amd64.deb" "$pkg/${name}_1.0.0_arm64.deb"
ok "lintian: no error, no warning beyond packaging/lintian-overrides"
must rpmlint --strict -c packaging/rpmlint.toml "$pkg/$name-1.0.0-1.x86_64.rpm" "$pkg/$name-1.0.0-1.aarch64.rpm"
ok "rpmlint: nothing beyond packaging/rpmlint.toml"
for page in packaging/man/*; do must mandoc -T lint -W error "$page"; done
for page in "$work"/bin/usr/share/man/man8/*; do zcat "$page" | mandoc -T lint -W error >"$work/out" || { cat "$work/out"; die "${page##*/}"; }; done
ok "manual pages: $(find "$work/bin/usr/share/man" -type f | wc -l)"
# Every command has its page: what is registered shows in the completion.
for command in $("$work/bin/usr/bin/$name" --help | awk '/^Available Commands:/ {on = 1; next} /^$/ {on = 0} on && $1 != "help" {print $1}'); do
  [ -e "$work/bin/usr/share/man/man8/$name-$command.8.gz" ] || die "no manual page of $name $command"
done
ok "one for each command"

step "image, without a container engine"
packaging/test/image.sh "$work/image" >"$work/out" 2>&1 || { cat "$work/out"; die "packaging/test/image.sh"; }
sed 's/^/   ok   /' "$work/out"

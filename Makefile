# Targets for developers and CI. The product itself needs only: go build ./cmd/wazuh-security-lake
export CGO_ENABLED := 0
BUILD := build
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: build test race e2e lint bench load clean

build:
	go build -trimpath -ldflags "$(LDFLAGS)" -o $(BUILD)/wazuh-security-lake ./cmd/wazuh-security-lake
	go build -trimpath -ldflags "-s -w" -o $(BUILD)/custom-security-lake ./ossec-integration

test:
	go test ./...

race:
	CGO_ENABLED=1 go test -race ./tailer/... ./spool/... ./relay/... ./uploader/... ./backfill/... ./audit/... ./ossec-integration/...

# Everything with real parts: a real S3 server, the daemon as a process, two independent Parquet readers.
# Needs Go, Node, npm, python3 and tmux; SHARED names the folder with the corpus and the OCSF judge, if there is one.
e2e:
	test/e2e.sh

# Roles for real: AssumeRole with external ID, sessions, policies and KMS of MinIO, which is built once and kept in CACHE.
.PHONY: e2e-sts
e2e-sts:
	test/e2e-sts.sh

lint:
	test/lint.sh

# convert beside DuckDB on the same alerts; the figures go to docs/PERFORMANCE.md by hand, with the machine.
bench:
	test/bench.sh

# Scan, map, plan, encode and the whole way of an alert, with allocations. To compare two commits: make microbench >FILE on
# each, then benchstat (golang.org/x/perf/cmd/benchstat) FILE1 FILE2.
.PHONY: microbench
microbench:
	go test -run '^$$' -bench 'Lines|Parse|Map|Plan|Encoder|WritePattern|Relay' -benchmem -count $${COUNT:-6} ./ocsf ./lake ./relay ./cmd/...

# What the daemon costs the host at RATE alerts a second for SECONDS_ seconds: CPU, memory, wake-ups; RATE=0 is idle.
load:
	test/load.sh

clean:
	rm -rf $(BUILD)

# .deb and .rpm for amd64 and arm64 in dist/: make packages VERSION=1.0.0 (needs nfpm v2.45.2, see packaging/README.md)
.PHONY: packages
packages:
	VERSION="$(VERSION)" packaging/build.sh dist
	cd dist && sha256sum *.deb *.rpm >SHA256SUMS

.PHONY: model crash soak

# "Nothing lost, nothing twice", by trial. WSL_MODEL_SEED and WSL_CRASH_SEED choose other sequences and points.
model:
	WSL_MODEL=$${WSL_MODEL:-2000} go test -count 1 -v -timeout 20m ./test/model

# The real daemon killed at each system call, EIO and ENOSPC at each, power loss on ext4 and xfs.
# Needs strace; power loss needs root, loop devices, xfsprogs. WSL_CRASH=sample is the short form for CI.
crash:
	WSL_CRASH=$${WSL_CRASH:-all} go test -count 1 -v -timeout 60m ./test/crash

# Load and random blows on the real daemon for an hour. WSL_SOAK=2m is the short form for CI.
soak:
	WSL_SOAK=$${WSL_SOAK:-1h} go test -count 1 -v -timeout 2h -run TestSoak ./test/crash

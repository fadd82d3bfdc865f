// Package e2e tests the whole daemon with real parts: a real S3 server (test/s3server), the daemon as a process of its
// own, a manager that writes and rotates as Wazuh does (test/replica), kill -9, and the objects read back from the bucket.
//
// The tests need root and some minutes of building, so a plain `go test ./...` skips them with that reason;
// `make e2e` sets WSL_E2E=1 and none may skip there.
package e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"wazuh-security-lake/test/faultproxy"
)

// transcript keeps what every process of the suite has printed, and looks for the secrets it was given. An external ID is one,
// too: check-config masks it, and nobody else has a reason to show it.
type transcript struct {
	mu      sync.Mutex // guards all below
	text    []byte
	secrets map[string]string // secret -> what it is
}

// printed is of the whole test binary: what is printed by one test's process is searched for the secrets of all.
var printed = transcript{secrets: map[string]string{
	secret: "secret access key", writerSecret: "secret access key of the writer", doctorExternalID: "external ID", wrongSecret: "wrong secret access key",
}}

// also returns a writer that keeps in the transcript what goes to w.
func (r *transcript) also(w io.Writer) io.Writer { return io.MultiWriter(w, r) }

// Write keeps p.
func (r *transcript) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, p...)
	return len(p), nil
}

// combined is cmd.CombinedOutput, kept.
func (r *transcript) combined(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.CombinedOutput()
	_, _ = r.Write(out) // see Write
	return out, err
}

// secret adds something that must not be printed.
func (r *transcript) secret(value, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets[value] = what
}

// sessions adds the keys and tokens that a service has given out by the end of a test.
func (r *transcript) sessions(t *testing.T, s *faultproxy.Service) {
	t.Cleanup(func() {
		for _, value := range s.Secrets() {
			r.secret(value, "key or token of a session")
		}
	})
}

// leaks are the lines that hold a secret.
func (r *transcript) leaks() (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range bytes.Lines(r.text) {
		for value, what := range r.secrets {
			if bytes.Contains(line, []byte(value)) {
				lines = append(lines, fmt.Sprintf("%s in: %.300s", what, line))
			}
		}
	}
	return lines
}

// judge is the last word of the suite: 1 when a secret was printed.
func (r *transcript) judge() int {
	lines := r.leaks()
	fmt.Printf("judge: secrets: %d bytes printed by the processes of the suite, %d secrets looked for, %d lines with one\n", len(r.text), len(r.secrets), len(lines))
	for _, line := range lines {
		fmt.Println("judge: secret printed: " + line)
	}
	return min(len(lines), 1)
}

func TestTranscriptFindsASecret(t *testing.T) {
	r := transcript{secrets: map[string]string{"s3cr3t": "key"}}
	fmt.Fprintf(r.also(io.Discard), "all is well\nlevel=ERROR err=\"key s3c")
	fmt.Fprintf(r.also(io.Discard), "r3t refused\"\n")
	if got := r.leaks(); len(got) != 1 || !strings.Contains(got[0], "key in: level=ERROR") {
		t.Errorf("got %q", got)
	}
	r.secret("well", "word")
	if got := len(r.leaks()); got != 2 {
		t.Errorf("got %d lines, want 2", got)
	}
}

// Every process of the suite goes through the transcript: whoever starts one names it in the same breath.
func TestEveryProcessIsInTheTranscript(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	sink := regexp.MustCompile(`\.(Stderr|Stdout)\s*=|\.(CombinedOutput|Output)\(\)|StdoutPipe\(\)`)
	found := 0
	for _, name := range files {
		if name == "transcript_test.go" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if !sink.MatchString(line) {
				continue
			}
			found++
			if !strings.Contains(line, "printed.") && !strings.Contains(line, "// not ours:") {
				t.Errorf("%s:%d: what this process prints is not in the transcript (printed.also, printed.combined): %s", name, i+1, strings.TrimSpace(line))
			}
		}
	}
	if found < 5 {
		t.Errorf("found only %d places where output is taken; the search is broken", found)
	}
}

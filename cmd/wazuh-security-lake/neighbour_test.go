package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"wazuh-security-lake/config"
)

func TestNeighbour(t *testing.T) {
	processors, limit := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(processors)
		debug.SetMemoryLimit(limit)
	})
	runtime.GOMAXPROCS(2)
	debug.SetMemoryLimit(math.MaxInt64)
	c := config.Default()
	for name, tt := range map[string]struct {
		processors, limit string // of the environment
		wantProcessors    int
		wantLimit         int64
	}{
		"default":          {"", "", 1, memoryLimit(c)},
		"processors given": {"2", "", 2, memoryLimit(c)},
		"limit given":      {"", "768MiB", 1, math.MaxInt64}, // the runtime has read it at the start
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOMAXPROCS", tt.processors)
			t.Setenv("GOMEMLIMIT", tt.limit)
			undo := neighbour(c)
			if got := runtime.GOMAXPROCS(0); got != tt.wantProcessors {
				t.Errorf("got %d processors, want %d", got, tt.wantProcessors)
			}
			if got := debug.SetMemoryLimit(-1); got != tt.wantLimit {
				t.Errorf("got a limit of %d, want %d", got, tt.wantLimit)
			}
			undo()
			if got := runtime.GOMAXPROCS(0); got != 2 {
				t.Errorf("got %d processors afterwards, want 2", got)
			}
			if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
				t.Errorf("got a limit of %d afterwards", got)
			}
		})
	}
}

// TestMemoryLimit: more sources need more, small objects less.
func TestMemoryLimit(t *testing.T) {
	c := config.Default()
	c.Batch.MaxObjectSize = 256 << 20
	c.Sources = []config.Source{{Name: "a"}}
	one := memoryLimit(c)
	c.Sources = append(c.Sources, config.Source{Name: "b"})
	two := memoryLimit(c)
	c.Batch.MaxObjectSize = 16 << 20
	small := memoryLimit(c)
	if one < 128<<20 || one > 512<<20 || two <= one || small >= two {
		t.Errorf("one source %d, two %d, two with small objects %d", one, two, small)
	}
}

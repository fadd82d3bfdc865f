package model

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sample = 40 // sequences in a plain go test

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// live runs one sequence in its own bubble and judges it.
func live(t *testing.T, dir string, k knobs, b breakage, steps []step) *world {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	w := newWorld(dir, k, b)
	synctest.Test(t, func(*testing.T) { w.run(steps) })
	w.judge()
	return w
}

// TestModel runs many sequences and makes the first failing one as short as it gets.
func TestModel(t *testing.T) {
	first, count := number(t, "WSL_MODEL_SEED", 1), number(t, "WSL_MODEL", sample)
	began := time.Now()
	var mu sync.Mutex
	var all tally
	steps := 0
	next := first
	workers := runtime.GOMAXPROCS(0)
	t.Run("sequences", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "w")
				for {
					mu.Lock()
					seed := next
					next++
					mu.Unlock()
					if seed >= first+count || t.Failed() {
						return
					}
					k, s := generate(uint64(seed))
					w := live(t, dir, k, breakage{}, s)
					mu.Lock()
					all.add(w.stats)
					steps += len(s)
					mu.Unlock()
					if len(w.faults) > 0 {
						s, w = shrink(t, dir, k, breakage{}, s, w)
						t.Errorf("seed %d (WSL_MODEL=1 WSL_MODEL_SEED=%d), %d steps, %+v:\n%s\n%s", seed, seed, len(s), k, show(s), strings.Join(w.faults, "\n"))
					}
				}
			})
		}
	})
	t.Logf("model: %d sequences from seed %d, %d steps, %v, %d failed; %+v", count, first, steps, time.Since(began).Round(time.Millisecond), failures(t), all)
}

func failures(t *testing.T) int {
	if t.Failed() {
		return 1
	}
	return 0
}

// shrink leaves steps out as long as the sequence still fails.
func shrink(t *testing.T, dir string, k knobs, b breakage, steps []step, w *world) ([]step, *world) {
	t.Helper()
	tries := 0
	for size := max(1, len(steps)/2); size > 0; size /= 2 {
		for at := 0; at+size <= len(steps); {
			if tries++; tries > 300 {
				return steps, w
			}
			shorter := slices.Delete(slices.Clone(steps), at, at+size)
			if v := live(t, dir, k, b, shorter); len(v.faults) > 0 {
				steps, w = shorter, v
			} else {
				at += size
			}
		}
	}
	return steps, w
}

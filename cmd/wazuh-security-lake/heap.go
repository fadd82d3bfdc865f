package main

import (
	"os"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"sync"
)

// heapSlack is how much garbage may stand beside what is in use, in percent. The heap is mostly a few large buffers that
// are used again and hold no pointers: collecting it early costs 5 % of the time and saves a third of the memory, on a
// host whose memory belongs to somebody else.
const heapSlack = 6

// keepHeapSmall applies heapSlack, unless the operator has said otherwise.
func keepHeapSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapSlack)
	}
}

// runGarbage is heapSlack of what the daemon uses at most.
const runGarbage = 5 << 20

// boundGarbage lets slack bytes of garbage stand beside what is in use, however much that is, until stop is called: both a
// conversion and the daemon's batch begin with a small heap that grows, and heapSlack of it would have it collected fifty times
// in the first second. Once it has grown there is hardly any garbage.
func boundGarbage(slack uint64) (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	g := &garbageBound{slack: slack, live: []gometrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	g.collected()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.stopped = true
		debug.SetGCPercent(heapSlack)
	}
}

// garbageBound sets the garbage collector's percentage anew after each collection.
type garbageBound struct {
	slack uint64

	mu      sync.Mutex
	live    []gometrics.Sample // guarded by mu
	stopped bool               // guarded by mu
}

// collected is called after a collection: by the cleanup of an object that nothing refers to, which the next one finds.
func (g *garbageBound) collected() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	gometrics.Read(g.live)
	live := max(g.live[0].Value.Uint64(), 1<<20)
	debug.SetGCPercent(max(1, int(g.slack*100/live)))
	runtime.AddCleanup(new([64]byte), (*garbageBound).collected, g)
}

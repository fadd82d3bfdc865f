package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"wazuh-security-lake/config"
)

// neighbour makes the process a good neighbour of analysisd, with whom it shares the host: one processor, and garbage
// collected before the heap outgrows what the configuration asks for. GOMAXPROCS and GOMEMLIMIT of the environment win.
// The function returned takes both back.
func neighbour(c config.Config) (undo func()) {
	processors, limit := 0, int64(-1) // both change nothing
	if os.Getenv("GOMAXPROCS") == "" {
		processors = 1
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		limit = memoryLimit(c)
	}
	processors, limit = runtime.GOMAXPROCS(processors), debug.SetMemoryLimit(limit)
	return func() {
		runtime.GOMAXPROCS(processors)
		debug.SetMemoryLimit(limit)
	}
}

const (
	// memoryBase is the program itself, the reader, the mapping and the queue.
	memoryBase = 96 << 20
	// smallGroup and largeGroup are the first and the largest budget of a row group, see lake.Encoder: it grows with the
	// object, to half of it.
	smallGroup, largeGroup = 16 << 20, 64 << 20
	// perUpload is what one upload under way needs beside the file it is read from.
	perUpload = 4 << 20
)

// memoryLimit is the heap the configuration can need: for each source the row group of the day that fills up and the
// first one of the next day, each with as much again while it is written, and the uploads. It is a soft limit: beyond
// it the collector works harder, and nothing fails.
func memoryLimit(c config.Config) int64 {
	group := min(max(c.Batch.MaxObjectSize.Bytes()/4, smallGroup), largeGroup)
	return memoryBase + int64(len(c.ResolvedSources()))*2*(group+smallGroup) + int64(c.Upload.Concurrency)*perUpload
}

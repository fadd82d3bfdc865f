package main

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"wazuh-security-lake/lake"
)

// topWays are the columns that hold what can be counted, by OCSF class: the first set that a file has is taken.
type topWay struct {
	columns []string
	keys    []string // of a map: columns are its keys and its values
}

// topDimensions are the names for --top.
func topDimensions() []string { return []string{"rule", "agent", "technique", "source-ip"} }

func topWays(dimension string) []topWay {
	switch dimension {
	case "rule":
		return []topWay{{columns: []string{"finding_info.analytic.uid", "finding_info.analytic.name"}}, {columns: []string{"analytic.uid", "analytic.name"}},
			{columns: []string{"metadata.event_code", "message"}}}
	case "agent":
		return []topWay{{columns: []string{"device.uid", "device.name"}}, {columns: []string{"resources.uid", "resources.name"}}}
	case "technique":
		return []topWay{{columns: []string{"finding_info.attacks.technique.uid", "finding_info.attacks.technique.name"}},
			{columns: []string{"attacks.technique.uid", "attacks.technique.name"}}}
	case "source-ip":
		return []topWay{{columns: []string{"evidences.src_endpoint.ip"}},
			{columns: []string{"unmapped.key", "unmapped.value"}, keys: []string{"data.srcip", "data.src_ip", "data.win.eventdata.ipAddress", "data.aws.sourceIPAddress"}}}
	}
	return nil
}

// topCapacity is how many different values are counted exactly; beyond it the rare ones share their counters.
const topCapacity = 20_000

// topTable is what inspect --top shows of one dimension.
type topTable struct {
	Dimension string     `json:"dimension"`
	Values    int64      `json:"values"`
	Different int        `json:"different"`
	Estimated bool       `json:"estimated,omitempty"` // more different values than are counted exactly
	Top       []topEntry `json:"top"`
}

type topEntry struct {
	Value string `json:"value"`
	Name  string `json:"name,omitempty"`
	Count int64  `json:"count"`
}

// inspectTop counts over Parquet files and directories of them.
func inspectTop(w io.Writer, paths, dimensions []string, limit int, asJSON bool) error {
	files, err := parquetBelow(paths)
	if err != nil {
		return err
	}
	counts := make([]*spaceSaving, len(dimensions))
	for i, d := range dimensions {
		if topWays(d) == nil {
			return fail(exitUsage, "choose from "+strings.Join(topDimensions(), ", "), fmt.Errorf("--top %q is not known", d))
		}
		counts[i] = newSpaceSaving(topCapacity)
	}
	for _, name := range files {
		err := withParquet(name, func(f *os.File, size int64) error {
			for i, d := range dimensions {
				if err := countFile(f, size, topWays(d), counts[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	tables := make([]topTable, len(dimensions))
	for i, d := range dimensions {
		tables[i] = topTable{Dimension: d, Values: counts[i].total, Different: len(counts[i].byKey), Estimated: counts[i].evicted, Top: counts[i].top(limit)}
	}
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(tables)
	}
	return printTop(w, tables, len(files))
}

// parquetBelow lists files as they are given, and of directories what lies below their ext/, or below themselves.
func parquetBelow(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, p)
			continue
		}
		root := p
		if info, err := os.Stat(filepath.Join(p, "ext")); err == nil && info.IsDir() {
			root = filepath.Join(p, "ext")
		}
		before := len(out)
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && filepath.Ext(path) == ".parquet" {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out) == before {
			return nil, fail(exitNoInput, "name a Parquet file or the directory of a lake", fmt.Errorf("no .parquet file below %s", root))
		}
	}
	return out, nil
}

// countFile counts one dimension of one file. A class without the columns has nothing to count.
func countFile(f *os.File, size int64, ways []topWay, counts *spaceSaving) error {
	for _, way := range ways {
		err := lake.Zip(f, size, way.columns, func(v [][]byte) error {
			switch {
			case v[0] == nil:
			case way.keys != nil:
				if slices.Contains(way.keys, string(v[0])) {
					counts.add(v[1], nil)
				}
			case len(v) == 2:
				counts.add(v[0], v[1])
			default:
				counts.add(v[0], nil)
			}
			return nil
		})
		if !errors.Is(err, lake.ErrNoColumn) {
			return err
		}
	}
	return nil
}

func printTop(w io.Writer, tables []topTable, files int) error {
	for i, table := range tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		about := ""
		if table.Estimated {
			about = "more than "
		}
		fmt.Fprintf(w, "%s: %d values, %s%d different, in %d files\n", table.Dimension, table.Values, about, table.Different, files)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, e := range table.Top {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%d\n", cut(e.Value, 40), cut(e.Name, 50), cells(e.Count, table.Top[0].Count, 20), e.Count)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// spaceSaving finds the most frequent values in bounded memory (Metwally, Agrawal, El Abbadi 2005): while there are at most
// capacity different ones the counts are exact; beyond that the rarest makes room for a new one, which takes over its count,
// so that a count may be too high by at most the total divided by capacity, never too low.
type spaceSaving struct {
	capacity int
	byKey    map[string]*counted
	heap     countedHeap
	total    int64
	evicted  bool
}

type counted struct {
	value, name string
	n           int64
	at          int // in the heap
}

// maxTopText bounds what is kept of a value or a name: alerts may hold anything.
const maxTopText = 200

func newSpaceSaving(capacity int) *spaceSaving {
	return &spaceSaving{capacity: capacity, byKey: make(map[string]*counted)}
}

func (s *spaceSaving) add(value, name []byte) {
	if len(value) == 0 {
		return
	}
	s.total++
	value = value[:min(len(value), maxTopText)]
	if c := s.byKey[string(value)]; c != nil {
		c.n++
		heap.Fix(&s.heap, c.at)
		return
	}
	label := string(name[:min(len(name), maxTopText)])
	if len(s.heap) < s.capacity {
		c := &counted{value: string(value), name: label, n: 1}
		s.byKey[c.value] = c
		heap.Push(&s.heap, c)
		return
	}
	s.evicted = true
	c := s.heap[0]
	delete(s.byKey, c.value)
	c.value, c.name = string(value), label
	c.n++
	s.byKey[c.value] = c
	heap.Fix(&s.heap, 0)
}

// top returns the most frequent ones; equal counts by value.
func (s *spaceSaving) top(limit int) []topEntry {
	all := slices.SortedFunc(slices.Values(s.heap), func(a, b *counted) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.value, b.value))
	})
	out := []topEntry{}
	for _, c := range all[:min(limit, len(all))] {
		out = append(out, topEntry{c.value, c.name, c.n})
	}
	return out
}

// countedHeap has the smallest count first.
type countedHeap []*counted

func (h countedHeap) Len() int           { return len(h) }
func (h countedHeap) Less(i, j int) bool { return h[i].n < h[j].n }
func (h countedHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *countedHeap) Push(x any) {
	c := x.(*counted)
	c.at = len(*h)
	*h = append(*h, c)
}
func (h *countedHeap) Pop() any {
	c := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return c
}

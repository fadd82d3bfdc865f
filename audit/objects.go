package audit

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/spool"
)

// Store looks at what is at a destination.
type Store interface {
	// Sizes returns the size of each of these objects that is there, by key; they are of one source and one directory.
	// whole reports that everything in the directory is in the answer, other objects too.
	Sizes(ctx context.Context, objects []spool.Object) (sizes map[string]int64, whole bool, err error)
}

// ObjectReport is what was found at the destinations.
type ObjectReport struct {
	Checked     int `json:"checked"`     // that must be there
	Directories int `json:"directories"` // partitions they lie in
	// Listed is false when a directory could not be listed: objects that no ledger line names would not have been seen.
	Listed bool `json:"listed"`
}

// Objects adds to a report whether the objects of the batches that touch the day are where the ledgers say, with the size
// they had. It blocks for one listing per partition. The report must be that of the same Known.
func Objects(ctx context.Context, k *backfill.Known, r *Report, store Store) error {
	type directory struct{ destination, source, dir string }
	must := make(map[directory][]spool.Object)
	names := make(map[string]string) // of the batch, by key
	var order []directory
	known := make(map[string]bool)
	newest := make(map[string]uint64) // batch, by instance
	for _, h := range k.Histories {
		touching := r.of.touching(h)
		for _, p := range h.Past {
			if p.Manifest == nil {
				continue
			}
			newest[p.Manifest.Instance] = max(newest[p.Manifest.Instance], p.Seq)
			for _, o := range p.Manifest.Objects {
				known[o.Key] = true
				if !touching[p.Seq] || p.Fate == spool.Waiting || p.Fate == spool.SetAside && !slices.Contains(p.Files, o.File) {
					continue
				}
				d := directory{o.Destination, o.Source, path.Dir(o.Key)}
				if len(must[d]) == 0 {
					order = append(order, d)
				}
				must[d] = append(must[d], o)
				names[o.Key] = batchName(h, p.Seq)
			}
		}
	}
	r.Objects = &ObjectReport{Directories: len(order), Listed: true}
	for _, d := range order {
		sizes, whole, err := store.Sizes(ctx, must[d])
		if err != nil {
			return fmt.Errorf("look at %s/%s: %w", d.destination, d.dir, err)
		}
		r.Objects.Listed = r.Objects.Listed && whole
		for _, o := range must[d] {
			r.Objects.Checked++
			size, there := sizes[o.Key]
			switch {
			case !there:
				r.differ(Difference{Kind: KindObjectGone, Key: o.Key, Batch: names[o.Key], Detail: fmt.Sprintf("%d rows of %s are not at %s", o.Rows, o.EventDay, o.Destination)})
			case size != o.Bytes:
				r.differ(Difference{Kind: KindObjectSize, Key: o.Key, Batch: names[o.Key], Detail: fmt.Sprintf("has %d bytes, the ledger says %d", size, o.Bytes)})
			}
		}
		var alien []string
		for key := range sizes {
			if instance, seq, ok := ours(key); ok && !known[key] && newest[instance] >= seq && seq > 0 {
				alien = append(alien, key)
			}
		}
		slices.Sort(alien)
		for _, key := range alien {
			r.differ(Difference{Kind: KindObjectAlien, Key: key, Detail: "made by this state directory, but no ledger line names it"})
		}
	}
	return nil
}

// ours takes an object name apart: <node>-<instance>-<seq>-<n>-<hash>.parquet. The node may hold hyphens.
func ours(key string) (instance string, seq uint64, ok bool) {
	parts := strings.Split(strings.TrimSuffix(path.Base(key), ".parquet"), "-")
	if len(parts) < 5 {
		return "", 0, false
	}
	n := len(parts)
	seq, err := strconv.ParseUint(parts[n-3], 10, 64)
	return parts[n-4], seq, err == nil
}

package audit

import (
	"context"
	"fmt"
	"slices"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// credit adds the lines of a scanned file to the batches that read them.
func credit(c *content, on []*claim) {
	for _, cl := range on {
		cl.batch.lines += c.count(cl.r.From, cl.r.To)
		cl.counted = cl.r.To <= c.size
	}
}

// countLines counts the lines of a file of another day for the batches that read both.
func (a *auditor) countLines(ctx context.Context, f tailer.DatedFile) error {
	looked, err := backfill.Look(f.Path, f.Name)
	if err != nil {
		return err
	}
	on := a.claimsOf(spool.Range{File: f.Name, Head: looked.Head.Hash})
	var bounds []int64
	for _, c := range on {
		bounds = append(bounds, c.r.From, c.r.To)
	}
	c, err := scan(ctx, f.Path, bounds, nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Name, err)
	}
	credit(&c, on)
	return nil
}

// checkBatches holds what was counted in the files against what the batches counted, and adds their account up.
func (a *auditor) checkBatches() {
	sum := &a.report.Account
	for _, b := range a.batches {
		a.report.Batches++
		c := b.m.Counts
		sum.Read += c.Read
		sum.Filtered += c.Filtered
		sum.Rejected += c.Rejected
		if b.fate == spool.Waiting {
			sum.Pending += c.Shipped
		} else {
			sum.Shipped += c.Shipped
		}
		// A file that is gone or shorter is named already; its lines cannot be counted.
		if !slices.ContainsFunc(b.reads, func(c *claim) bool { return !c.counted }) && b.lines != c.Read {
			a.differ(Difference{Kind: KindLines, Batch: b.name, Detail: fmt.Sprintf("its ranges hold %d lines, it counted %d", b.lines, c.Read)})
		}
		rows := int64(0)
		for _, o := range b.m.Objects {
			rows += o.Rows
		}
		if r := b.m.Replay; r != nil {
			rows -= r.Shipped
			a.report.Replayed += r.Shipped
		}
		if rows != c.Shipped {
			a.differ(Difference{Kind: KindRows, Batch: b.name, Detail: fmt.Sprintf("its objects hold %d rows, it counted %d", rows, c.Shipped)})
		}
	}
	for _, h := range a.k.Histories {
		touching := a.day.touching(h)
		for _, p := range h.Past {
			if p.Fate != spool.SetAside || p.Manifest == nil || !touching[p.Seq] {
				continue
			}
			a.report.Batches++
			c := p.Manifest.Counts
			sum.Read += c.Read
			sum.Filtered += c.Filtered
			sum.Rejected += c.Rejected
			sum.Quarantined += c.Shipped
		}
	}
}

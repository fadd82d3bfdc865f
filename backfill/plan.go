package backfill

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// File is one file of alerts that may be read.
type File struct {
	Path    string
	Name    string // dated, or the base name of a file from elsewhere; without .gz
	Head    tailer.Fingerprint
	Alert   bool  // its first line is an alert's, so Head belongs to no other file
	Damaged bool  // an archive whose very beginning does not decompress
	Live    bool  // it may grow
	Tree    bool  // it lies in the dated tree of the manager
	Size    int64 // of the content; of an archive an estimate
}

// Piece is a run of lines to be read.
type Piece struct {
	File
	From, To int64     // To -1: to the end
	Before   time.Time // unless zero, lines with this timestamp or a later one are left to the daemon
}

func (p Piece) bytes() int64 {
	if p.To >= 0 {
		return p.To - p.From
	}
	return max(0, p.Size-p.From)
}

// Group is what one worker reads into one batch, or into several when it is large. Closes are the gaps that are closed
// when all of it was read, Delivered the partitions whose events are in the lake already.
type Group struct {
	Pieces    []Piece
	Closes    []spool.Gap
	Delivered map[Partition]bool
}

// Bytes is how much there is to read.
func (g Group) Bytes() int64 {
	var sum int64
	for _, p := range g.Pieces {
		sum += p.bytes()
	}
	return sum
}

// Left is something asked for that is not read, and why.
type Left struct {
	File   string
	From   int64
	To     int64 // -1: to the end
	Reason string
	// Fault: it should have been read and cannot be.
	Fault bool
}

func (l Left) String() string {
	to := "its end"
	if l.To >= 0 {
		to = fmt.Sprint(l.To)
	}
	return fmt.Sprintf("%s from %d to %s: %s", l.File, l.From, to, l.Reason)
}

// Texts says what is left, runs of whole files with the same reason in one line each.
func Texts(left []Left) []string {
	var out []string
	for i := 0; i < len(left); {
		n := 1
		for ; i+n < len(left) && left[i].whole() && left[i+n].whole() && left[i+n].Reason == left[i].Reason && !left[i].Fault; n++ {
		}
		if n > 2 {
			out = append(out, fmt.Sprintf("%d files, %s to %s: %s", n, left[i].File, left[i+n-1].File, left[i].Reason))
		} else {
			n = 1
			out = append(out, left[i].String())
		}
		i += n
	}
	return out
}

func (l Left) whole() bool { return l.From == 0 && l.To < 0 }

// Plan is what a run reads and what it leaves.
type Plan struct {
	Groups []Group
	Left   []Left
	Files  int // asked for
	Done   int // of these, read before

	planned Extents // one without an end reaches to math.MaxInt64
	vague   []File  // those whose first line is no alert
}

// groupBytes is how much of the files of one day goes into one batch.
const groupBytes = 256 << 20

// Range plans all that is history in the files given, in their order.
func Range(k *Known, o Owner, files []File) Plan {
	p := Plan{Files: len(files)}
	for _, f := range files {
		if f.Head.Len == 0 && !f.Damaged {
			p.Done++ // empty
			continue
		}
		piece := Piece{File: f, To: -1, Before: o.Before}
		if !f.Tree {
			piece.Before = o.Cut
		}
		if _, ok := tailer.DayOf(f.Name); ok {
			piece.To = o.End(f.Name)
		}
		if f.Live && (piece.To < 0 || piece.To > f.Size) {
			p.leave(f, 0, -1, "is being written: the daemon reads it", false)
			continue
		}
		if piece.To == 0 || o.Repeat && !Inbox(k.Last.File) && !Inbox(k.Last.Floor) && k.Last.Reads(f.Name) {
			p.leave(f, 0, -1, "belongs to the daemon", false)
			continue
		}
		if f.Damaged {
			p.leave(f, 0, -1, damaged, true)
			continue
		}
		if p.twin(k, f) {
			p.leave(f, 0, -1, "begins with a line that is no alert, as another file of this name does: they cannot be told apart, give it another name", true)
			continue
		}
		if piece.To > 0 {
			p.leave(f, piece.To, -1, "belongs to the daemon", false)
		}
		pieces, _ := p.missing(k, piece)
		if len(pieces) == 0 {
			p.Done++
		}
		for _, m := range pieces {
			p.add(m)
		}
	}
	return p
}

const damaged = "the archive is damaged, nothing of it decompresses: restore it, then repeat"

func (p *Plan) leave(f File, from, to int64, reason string, fault bool) {
	p.Left = append(p.Left, Left{File: f.Name, From: from, To: to, Reason: reason, Fault: fault})
}

// add puts a piece into the group before it when both are of one day and the group is not full.
func (p *Plan) add(m Piece) {
	if n := len(p.Groups); n > 0 {
		g := &p.Groups[n-1]
		last := g.Pieces[len(g.Pieces)-1]
		a, aDated := tailer.DayOf(last.Name)
		b, bDated := tailer.DayOf(m.Name)
		if aDated == bDated && a.Equal(b) && last.Before.Equal(m.Before) && g.Bytes()+m.bytes() <= groupBytes {
			g.Pieces = append(g.Pieces, m)
			return
		}
	}
	p.Groups = append(p.Groups, Group{Pieces: []Piece{m}})
}

// twin reports a file that has the name and the first line of another one and is no copy of it. A first line that is an alert
// belongs to one file only; any other may begin many, and what was read of one of them must not count for the next.
func (p *Plan) twin(k *Known, f File) bool {
	if f.Alert || f.Tree {
		return false
	}
	id := spool.Range{File: f.Name, Head: f.Head.Hash}
	i := slices.IndexFunc(p.vague, func(o File) bool { return SameFile(spool.Range{File: o.Name, Head: o.Head.Hash}, id) })
	if i < 0 {
		p.vague = append(p.vague, f)
		return !strings.HasSuffix(f.Path, ".gz") && k.Read.top(id) > f.Size // read farther than it goes
	}
	return uint32(p.vague[i].Size) != uint32(f.Size) // of an archive the size is known modulo 4 GiB
}

// missing are the parts of a piece that no ledger names and that are not planned yet; those it plans. shared reports that
// something was planned before.
func (p *Plan) missing(k *Known, piece Piece) (out []Piece, shared bool) {
	for _, r := range k.Read.Minus(spool.Range{File: piece.Name, Head: piece.Head.Hash, From: piece.From, To: piece.To}) {
		if r.To < 0 && r.From > 0 && ends(piece.File, r.From) {
			continue
		}
		free := p.planned.Minus(r)
		shared = shared || len(free) != 1 || free[0] != r
		for _, f := range free {
			if f.From == math.MaxInt64 {
				continue
			}
			m := piece
			m.From, m.To = f.From, f.To
			out = append(out, m)
			if f.To < 0 {
				f.To = math.MaxInt64
			}
			p.planned.Add(f)
		}
	}
	return out, shared
}

// ends reports whether the content of a file ends at an offset. Of an archive the size is known modulo 4 GiB.
func ends(f File, offset int64) bool {
	if strings.HasSuffix(f.Path, ".gz") {
		return uint32(offset) == uint32(f.Size)
	}
	return offset >= f.Size
}

// Gaps plans what is left of the recorded gaps. Files are where it may lie: the dated tree, and files restored elsewhere.
func Gaps(k *Known, files []File) Plan {
	var p Plan
	for _, open := range k.Gaps {
		g := Group{Delivered: open.Delivered}
		whole := true
		read := func(piece Piece) {
			pieces, shared := p.missing(k, piece)
			g.Pieces = append(g.Pieces, pieces...)
			whole = whole && !shared // what another group reads is not for this one to confirm
		}
		for _, gap := range open.Gaps {
			p.Files++
			f, why := k.findGap(gap, files)
			if why != "" {
				p.leave(File{Name: gap.File}, gap.From, gap.To, why, true)
				whole = false
				continue
			}
			if gap.To < 0 || gap.Head == "" {
				g.Closes = append(g.Closes, gap) // the others are closed by the ranges that cover them
			}
			read(Piece{File: f, From: gap.From, To: gap.To})
		}
		for _, f := range between(open, files) {
			read(Piece{File: f, To: -1})
		}
		if !whole {
			g.Closes = nil
		}
		if len(g.Pieces) > 0 || len(g.Closes) > 0 {
			p.Groups = append(p.Groups, g)
		}
	}
	return p
}

// between are the whole files between the two ends of a gap whose manifest is lost.
func between(g OpenGap, files []File) []File {
	if !g.Between {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(files), func(f File) bool {
		return !f.Tree || f.Live || f.Head.Len == 0 || tailer.Compare(f.Name, g.Gaps[0].File) <= 0 || tailer.Compare(f.Name, g.Gaps[1].File) >= 0
	})
}

// findGap finds the file of a gap, or says why nothing can be read.
func (k *Known) findGap(gap spool.Gap, files []File) (File, string) {
	if Inbox(gap.File) {
		return File{}, "was read from the inbox, which keeps nothing: `spool requeue`, or the day's dated files as in any other mode"
	}
	if _, ok := tailer.DayOf(gap.File); !ok {
		return File{}, "the batch does not tell from which dated file it was read"
	}
	i := slices.IndexFunc(files, func(f File) bool {
		return f.Head.Len > 0 && (gap.Head == "" && f.Name == gap.File || SameFile(gap.Range, spool.Range{File: f.Name, Head: f.Head.Hash}))
	})
	if i < 0 {
		return File{}, "this file is not there any more: name the directory of a copy with --dir"
	}
	f := files[i]
	f.Name = gap.File
	switch {
	case f.Tree && (gap.Reason == tailer.GapTruncated || gap.Reason == tailer.GapRewritten):
		return File{}, "what stood there is gone, the file was changed: name the directory of a copy of the original with --dir"
	case gap.To < 0 && (f.Live || f.Tree && f.Name == k.Last.File):
		return File{}, "is still being read by the daemon: try again when the manager has begun another file"
	case f.Tree && gap.To < 0 && k.Last.Reads(f.Name):
		return File{}, "is read by the daemon itself, from its beginning, because it was put back into the dated tree"
	}
	return f, ""
}

// Tree lists the files of the dated tree from day to day, both included; zero times do not bound it. Directories above an
// unreadable file are reported by the error.
func Tree(log tailer.WazuhLog, from, to time.Time) ([]File, error) {
	dated, err := log.DatedFiles()
	if err != nil {
		return nil, err
	}
	var out []File
	for _, d := range dated {
		if !from.IsZero() && d.Day.Before(from) || !to.IsZero() && d.Day.After(to) {
			continue
		}
		f, err := Look(d.Path, d.Name)
		if err != nil {
			return nil, err
		}
		f.Live, f.Tree = d.Live, true
		out = append(out, f)
	}
	return out, nil
}

// Look opens a file for its first line and its size.
func Look(path, name string) (File, error) {
	f := File{Path: path, Name: name}
	var err error
	if f.Head, f.Alert, f.Size, err = tailer.Look(path); errors.Is(err, tailer.ErrDamaged) {
		f.Damaged, err = true, nil
	}
	return f, err
}

// Elsewhere lists the files of alerts below the paths given, files or directories: .json, .ndjson, .txt, each also .gz. The
// files named themselves may have any name. A dated file that the ledgers know keeps its dated name.
// A copy of the file being written counts as that.
func Elsewhere(k *Known, log tailer.WazuhLog, paths []string) ([]File, error) {
	var out []File
	live, err := Look(log.Path, "")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	add := func(path string) error {
		f, err := Look(path, "")
		if err != nil {
			return err
		}
		base := strings.TrimSuffix(filepath.Base(path), ".gz")
		dated, ok := tailer.DatedName(path)
		switch {
		case ok:
			f.Name = dated
		default:
			f.Name = base
			if known, ok := k.Read.Knows(f.Head.Hash, base); ok && f.Alert {
				f.Name = known
			}
		}
		f.Live = live.Head.Len > 0 && f.Head == live.Head
		if rel, err := filepath.Rel(log.DatedDir, path); err == nil && filepath.IsLocal(rel) {
			f.Tree = ok
		}
		out = append(out, f)
		return nil
	}
	for _, root := range paths {
		root, err := filepath.Abs(root)
		if err == nil {
			root, err = filepath.EvalSymlinks(root)
		}
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(root)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if err := add(root); err != nil {
				return nil, err
			}
			continue
		}
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !alertsName(d.Name()) {
				return err
			}
			return add(path)
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b File) int { return tailer.Compare(a.Name, b.Name) })
	return out, nil
}

func alertsName(name string) bool {
	switch filepath.Ext(strings.TrimSuffix(name, ".gz")) {
	case ".json", ".ndjson", ".txt":
		return true
	}
	return false
}

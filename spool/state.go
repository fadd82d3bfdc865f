package spool

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// State is a view of a spool directory, taken without its lock.
type State struct {
	Dir      string      `json:"dir"`
	Instance string      `json:"instance"`
	Holder   int         `json:"holder,omitempty"` // process that last took the lock; it may be gone
	Last     *Manifest   `json:"last,omitempty"`   // newest committed: holds the position
	Account  Account     `json:"account"`
	Batches  []BatchInfo `json:"batches"`
	Sources  []SourcePin `json:"sources,omitempty"`
	// RejectBytes is the size of rejects/.
	RejectBytes int64 `json:"rejectBytes"`
	// Copies is the queue of second copies.
	Copies CopyUsage `json:"copies"`
	// Problem is what Open would refuse, or what stopped intake: a *StateError or *FormatError.
	Problem error `json:"-"`
}

// BatchInfo is one batch directory.
type BatchInfo struct {
	Seq      uint64    `json:"seq"`
	Place    Place     `json:"place"`
	Manifest *Manifest `json:"manifest,omitempty"` // nil: unreadable
	Acked    []string  `json:"acked,omitempty"`    // files acknowledged
	Bytes    int64     `json:"bytes"`
	Problem  string    `json:"problem,omitempty"` // what keeps the batch from being delivered
}

const readAttempts = 5

// Read looks at a spool beside a running daemon or without one, as any user who may read the directory. It
// changes nothing. fs.ErrNotExist: there is no spool.
func Read(dir string) (State, error) { return ReadFS(OS{}, dir) }

// ReadFS is Read on a given file system.
func ReadFS(fsys FS, dir string) (State, error) {
	l := layout{fs: fsys, dir: filepath.Clean(dir)}
	if _, err := fsys.Stat(l.top(lockName)); err != nil {
		return State{}, fmt.Errorf("read spool: %w", err)
	}
	// A batch may move while it is read: look again until the listing is the same before and after.
	for attempt := 1; ; attempt++ {
		before, err := l.listing()
		if err != nil {
			return State{}, fmt.Errorf("read spool: %w", err)
		}
		st, err := l.state()
		if err != nil && attempt == readAttempts {
			return State{}, fmt.Errorf("read spool: %w", err)
		}
		after, lerr := l.listing()
		if lerr != nil {
			return State{}, fmt.Errorf("read spool: %w", lerr)
		}
		if err == nil && (attempt == readAttempts || slices.Equal(before, after)) {
			return st, nil
		}
	}
}

func (l layout) listing() ([]string, error) {
	var out []string
	for _, p := range []Place{Outbox, Shipped, Quarantine} {
		seqs, err := l.seqs(p)
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs {
			out = append(out, string(p)+seqName(seq))
		}
	}
	return out, nil
}

func (l layout) state() (State, error) {
	st := State{Dir: l.dir, Holder: l.holder()}
	f, err := l.scan(false)
	if err != nil {
		return st, err
	}
	found, err := l.instanceFile()
	if err != nil {
		return st, err
	}
	st.Instance = found.id
	if st.Sources, err = l.readSources(); err != nil && !errors.Is(err, ErrCorrupt) {
		st.Problem = err
	}
	if st.Problem == nil {
		st.Problem = f.formatErr
	}
	if st.Problem == nil {
		st.Problem = f.verdict(l.dir, st.Instance != "" && !found.unused)
	}
	if st.Problem == nil && l.copied(found) {
		st.Problem = &StateError{Kind: Copied, Dir: l.dir}
	}
	st.Last, st.RejectBytes = f.newest(), f.rejectBytes
	if st.Copies, err = l.readCopies(); err != nil {
		return st, err
	}
	var pending int64
	for seq, r := range f.records {
		info := BatchInfo{Seq: seq, Place: r.place, Manifest: &r.m, Bytes: r.bytes}
		if d, bad := f.damaged[seq]; bad {
			info.Problem = d.err.Error()
		}
		if f.ledger.last[seq].State != Released {
			pending += r.pendingLines()
		}
		for i, o := range r.m.Objects {
			if r.acked[i] {
				info.Acked = append(info.Acked, o.File)
			}
		}
		st.Batches = append(st.Batches, info)
	}
	for seq, d := range f.damaged {
		if f.records[seq] == nil {
			st.Batches = append(st.Batches, BatchInfo{Seq: seq, Place: d.place, Problem: d.err.Error()})
		}
	}
	for seq, m := range f.quarantine {
		size, err := l.dirSize(l.batch(Quarantine, seq))
		if err != nil {
			return st, err
		}
		st.Batches = append(st.Batches, BatchInfo{Seq: seq, Place: Quarantine, Manifest: m, Bytes: size, Problem: f.ledger.last[seq].Reason})
	}
	slices.SortFunc(st.Batches, func(a, b BatchInfo) int {
		if a.Seq != b.Seq {
			return int(int64(a.Seq) - int64(b.Seq))
		}
		return strings.Compare(string(a.Place), string(b.Place))
	})
	st.Account = account(st.Last, pending, f.ledger.quarantined)
	return st, nil
}

// Fault is one thing Verify found.
type Fault struct {
	File string
	Err  error
}

// Verify hashes every object of a batch in outbox/ or quarantine/ that is still to be delivered and returns
// what does not match. It takes no lock.
func Verify(dir string, seq uint64) ([]Fault, error) { return verify(OS{}, dir, seq) }

func verify(fsys FS, dir string, seq uint64) ([]Fault, error) {
	l := layout{fs: fsys, dir: filepath.Clean(dir)}
	p, err := l.find(seq)
	if err != nil {
		return nil, err
	}
	r, err := l.load(p, seq, false)
	if err != nil && r == nil {
		return []Fault{{File: manifestName, Err: err}}, nil
	}
	var faults []Fault
	for i, o := range r.m.Objects {
		if r.acked[i] {
			continue
		}
		if err := l.verifyObject(p, seq, o); err != nil {
			faults = append(faults, Fault{File: o.File, Err: err})
		}
	}
	return faults, nil
}

func (l layout) find(seq uint64) (Place, error) {
	for _, p := range []Place{Outbox, Quarantine} {
		if _, err := l.fs.Stat(l.batch(p, seq)); err == nil {
			return p, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("batch %d: %w", seq, ErrUnknownBatch)
}

func (l layout) verifyObject(p Place, seq uint64, o Object) error {
	path := l.file(p, seq, o.File)
	if err := l.checkSize(path, o); err != nil {
		return err
	}
	f, err := l.fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != o.SHA256 {
		return fmt.Errorf("%s has sha256 %s, want %s: %w", o.File, got, o.SHA256, ErrCorrupt)
	}
	return nil
}

// Export copies the files of a batch in outbox/ or quarantine/ into the new directory dst. It takes no lock and
// leaves the batch where it is.
func Export(dir string, seq uint64, dst string) error { return export(OS{}, dir, seq, dst) }

func export(fsys FS, dir string, seq uint64, dst string) error {
	l := layout{fs: fsys, dir: filepath.Clean(dir)}
	p, err := l.find(seq)
	if err != nil {
		return err
	}
	entries, err := fsys.ReadDir(l.batch(p, seq))
	if err != nil {
		return err
	}
	if err := fsys.Mkdir(dst, modeDir); err != nil {
		return fmt.Errorf("export batch %d: %w", seq, err)
	}
	for _, e := range entries {
		if err := l.copyFile(l.file(p, seq, e.Name()), filepath.Join(dst, e.Name())); err != nil {
			return fmt.Errorf("export batch %d: %w", seq, err)
		}
	}
	return nil
}

func (l layout) copyFile(from, to string) error {
	in, err := l.fs.OpenFile(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	out, err := l.fs.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, modeData)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// Rejects calls fn for every rejected line of every committed batch, oldest first. It takes no lock; rejects
// of a batch being released at this moment may be missed or seen twice. It stops at the first error of fn.
func Rejects(dir string, fn func(seq uint64, r Reject) error) error {
	return readRejects(OS{}, dir, fn)
}

func readRejects(fsys FS, dir string, fn func(seq uint64, r Reject) error) error {
	l := layout{fs: fsys, dir: filepath.Clean(dir)}
	paths := map[uint64]string{}
	for _, p := range []Place{Quarantine, Outbox, Shipped} {
		seqs, err := l.seqs(p)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			paths[seq] = l.file(p, seq, rejectsName)
		}
	}
	files, err := l.rejectFiles()
	if err != nil {
		return err
	}
	claimed, err := l.claimedRejects()
	if err != nil {
		return err
	}
	for _, seq := range files {
		if !claimed[seq] { // else they are events, or rejects of the batch that took them over
			paths[seq] = l.rejectFile(seq)
		}
	}
	seqs := make([]uint64, 0, len(paths))
	for seq := range paths {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		if err := l.eachReject(paths[seq], func(r Reject) error { return fn(seq, r) }); err != nil {
			return fmt.Errorf("rejects of batch %d: %w", seq, err)
		}
	}
	return nil
}

func (l layout) eachReject(path string, fn func(Reject) error) error {
	f, err := l.fs.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	dec := json.NewDecoder(bufio.NewReader(f))
	for {
		var r Reject
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
}

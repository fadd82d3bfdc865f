// Package faultfs is a file system in memory that fails on purpose. It keeps apart what a process has
// written and what would survive a power loss, for data and for names, and it can fail, cut short or kill
// at any operation. It implements spool.FS.
//
// The model, stricter than any one real file system:
//   - The content of a file is durable up to its last Sync. After a power loss an unsynced file is its old
//     content, its new content, a prefix of the new one, or a prefix followed by zeros.
//   - A name (create, mkdir, remove, rename) is durable after SyncDir of its directory; a rename after
//     SyncDir of both. An unsynced change survives a power loss or not, at random, whole, in an order
//     that respects only changes of the same name.
//   - A killed process leaves everything it has done; nothing it does afterwards has an effect.
//
// What it does not model: a sync that fails and loses pages the process can still read (the pages stay dirty
// here), hard links, permissions, and failing reads of single sectors.
package faultfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"wazuh-security-lake/spool"
)

// Op is a kind of operation.
type Op string

// The kinds. Any matches every kind, Change every kind that could alter the disk.
const (
	Any      Op = "any"
	Change   Op = "change"
	Open     Op = "open"   // without creating
	Create   Op = "create" // OpenFile that makes a file
	Mkdir    Op = "mkdir"
	Read     Op = "read"
	Write    Op = "write"
	Truncate Op = "truncate"
	Sync     Op = "sync"
	SyncDir  Op = "syncdir"
	Rename   Op = "rename"
	Remove   Op = "remove"
	ReadDir  Op = "readdir"
	Stat     Op = "stat"
	Lock     Op = "lock"
	Free     Op = "free"
)

func (o Op) changes() bool {
	switch o {
	case Create, Mkdir, Write, Truncate, Sync, SyncDir, Rename, Remove:
		return true
	}
	return false
}

func (o Op) matches(kind Op) bool { return o == Any || o == kind || o == Change && kind.changes() }

// ErrKilled is what every operation of a dead process returns.
var ErrKilled = errors.New("faultfs: process was killed")

// Fault strikes at the N-th operation that matches it, counted from Inject; N = 1 is the next one.
type Fault struct {
	Op    Op
	Path  func(path string) bool // nil: every path
	N     int
	Err   error // syscall.EIO, syscall.ENOSPC; nil with Kill
	Kill  bool  // the process dies before the operation; half of a write still happens
	Short bool  // half of a write happens before Err
	Stuck bool  // every matching operation from the N-th on fails
}

const block = 4096

// disk is what outlives a process.
type disk struct {
	root    *node
	pending []*change // unsynced changes of names, in the order they were made
}

type node struct {
	mode    fs.FileMode
	mtime   time.Time
	entries map[string]*node // directories, as the process sees them
	durable map[string]*node // directories, as a power loss leaves them
	data    []byte           // files, as the process sees them
	synced  []byte           // files, as of the last Sync
	locked  *FS
}

// unlock drops the locks of a process that is gone.
func (n *node) unlock() {
	n.locked = nil
	for _, c := range n.entries {
		c.unlock()
	}
}

func (n *node) isDir() bool { return n.mode.IsDir() }

func newDir(perm fs.FileMode) *node {
	return &node{mode: fs.ModeDir | perm.Perm(), entries: map[string]*node{}, durable: map[string]*node{}}
}

// slot is one name in one directory.
type slot struct {
	dir  *node
	name string
}

// change sets slots to nodes, all or none; nil removes the name.
type change struct {
	to     map[slot]*node
	unsync map[*node]bool // directories that still have to be synced
}

// FS is the file system as one process sees it. Its methods may be called from several goroutines.
type FS struct {
	mu       sync.Mutex
	d        *disk
	dead     bool
	faults   []*fault
	counts   map[Op]int
	capacity int64 // bytes; negative: no limit
	deaf     func(Op, string) bool
	log      func(string)
	now      time.Time
}

type fault struct {
	Fault
	seen int
}

var _ spool.FS = (*FS)(nil)

// New returns an empty file system without faults and without limit.
func New() *FS { return boot(&disk{root: newDir(0o755)}) }

func boot(d *disk) *FS {
	d.root.unlock()
	return &FS{d: d, counts: map[Op]int{}, capacity: -1, now: time.Unix(1_700_000_000, 0)}
}

// Inject arms a fault. Several may be armed.
func (f *FS) Inject(ft Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, &fault{Fault: ft})
}

// Heal disarms every fault.
func (f *FS) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Deafen makes Sync and SyncDir of matching paths lie: they report success and do nothing. With nil they are
// honest again. A test proves with it that its judge can fail.
func (f *FS) Deafen(match func(kind Op, path string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf = match
}

// Trace has every operation reported to fn, nil stops it.
func (f *FS) Trace(fn func(line string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = fn
}

// SetCapacity limits the bytes of files and directories, counted in whole blocks; negative lifts the limit.
// Creating an empty file, renaming and removing need no block.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// Used is what SetCapacity is held against.
func (f *FS) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.d.root.blocks()
}

func (n *node) blocks() int64 {
	if !n.isDir() {
		return blocksOf(len(n.data))
	}
	sum := int64(block)
	for _, c := range n.entries {
		sum += c.blocks()
	}
	return sum
}

func blocksOf(size int) int64 { return (int64(size) + block - 1) / block * block }

// Count is the number of operations of a kind so far, failed ones included.
func (f *FS) Count(kind Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := 0
	for k, n := range f.counts {
		if kind.matches(k) {
			sum += n
		}
	}
	return sum
}

// Dead reports whether a Kill fault has struck.
func (f *FS) Dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// Kill ends the process now.
func (f *FS) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
}

// Restart ends the process and returns the file system for the next one: everything done is there, locks and
// faults are gone, the capacity stays.
func (f *FS) Restart() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	next := boot(f.d)
	next.capacity, next.now = f.capacity, f.now
	return next
}

// PowerLoss ends the process and returns what the disk has after the power came back: everything synced, and
// of the rest what the seed picks. It consumes the disk: the old FS is of no use any more.
func (f *FS) PowerLoss(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	lost := map[slot]bool{}
	for _, c := range f.d.pending {
		keep := r.IntN(2) == 0
		for s := range c.to {
			keep = keep && !lost[s] // an earlier change of this name is gone, so this one cannot be there
		}
		for s, n := range c.to {
			if keep {
				s.set(n, true)
			} else {
				lost[s] = true
			}
		}
	}
	f.d.pending = nil
	f.d.root.recover(r)
	next := boot(f.d)
	next.capacity, next.now = f.capacity, f.now
	return next
}

func (s slot) set(n *node, durable bool) {
	m := s.dir.entries
	if durable {
		m = s.dir.durable
	}
	if n == nil {
		delete(m, s.name)
	} else {
		m[s.name] = n
	}
}

func (n *node) recover(r *rand.Rand) {
	if !n.isDir() {
		n.data = survive(r, n.synced, n.data)
		n.synced = slices.Clone(n.data)
		return
	}
	n.entries = map[string]*node{}
	for _, name := range sortedNames(n.durable) { // sorted, so that one seed is one outcome
		c := n.durable[name]
		n.entries[name] = c
		c.recover(r)
	}
}

func survive(r *rand.Rand, old, cur []byte) []byte {
	if slices.Equal(old, cur) {
		return slices.Clone(old)
	}
	common := 0
	for common < min(len(old), len(cur)) && old[common] == cur[common] {
		common++
	}
	switch r.IntN(4) {
	case 0:
		return slices.Clone(old)
	case 1:
		return slices.Clone(cur)
	case 2:
		return slices.Clone(cur[:common+r.IntN(len(cur)-common+1)])
	}
	out := make([]byte, len(cur)) // the size was written, some blocks were not
	copy(out, cur[:common+r.IntN(len(cur)-common+1)])
	return out
}

func sortedNames(m map[string]*node) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// begin counts an operation and lets the faults strike. half: the first half of a write still happens.
func (f *FS) begin(kind Op, path string) (half bool, err error) {
	if f.dead {
		return false, ErrKilled
	}
	f.counts[kind]++
	if f.log != nil {
		f.log(fmt.Sprintf("%s %s", kind, path))
	}
	for _, ft := range f.faults {
		if !ft.Op.matches(kind) || ft.Path != nil && !ft.Path(path) {
			continue
		}
		ft.seen++
		if ft.seen != ft.N && !(ft.Stuck && ft.seen > ft.N) {
			continue
		}
		if ft.Kill {
			f.dead = true
			return true, ErrKilled
		}
		return ft.Short, &fs.PathError{Op: string(kind), Path: path, Err: ft.Err}
	}
	return false, nil
}

func pathErr(kind Op, path string, errno syscall.Errno) error {
	return &fs.PathError{Op: string(kind), Path: path, Err: errno}
}

// find walks to a path.
func (f *FS) find(path string) (*node, error) {
	n := f.d.root
	for _, part := range split(path) {
		if !n.isDir() {
			return nil, syscall.ENOTDIR
		}
		c, ok := n.entries[part]
		if !ok {
			return nil, syscall.ENOENT
		}
		n = c
	}
	return n, nil
}

func split(path string) []string {
	path = filepath.Clean("/" + path)
	var out []string
	for path != "/" {
		out = append(out, filepath.Base(path))
		path = filepath.Dir(path)
	}
	slices.Reverse(out)
	return out
}

// slotOf finds the directory a path is in, and its name there.
func (f *FS) slotOf(path string) (slot, error) {
	path = filepath.Clean("/" + path)
	dir, err := f.find(filepath.Dir(path))
	if err != nil {
		return slot{}, err
	}
	if !dir.isDir() {
		return slot{}, syscall.ENOTDIR
	}
	return slot{dir, filepath.Base(path)}, nil
}

// apply makes a change of names visible and notes it as not durable.
func (f *FS) apply(to map[slot]*node) {
	c := &change{to: to, unsync: map[*node]bool{}}
	for s, n := range to {
		s.set(n, false)
		c.unsync[s.dir] = true
	}
	f.d.pending = append(f.d.pending, c)
}

// Mkdir implements spool.FS.
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(Mkdir, name); err != nil {
		return err
	}
	s, err := f.slotOf(name)
	if err != nil {
		return &fs.PathError{Op: string(Mkdir), Path: name, Err: err}
	}
	if _, ok := s.dir.entries[s.name]; ok {
		return pathErr(Mkdir, name, syscall.EEXIST)
	}
	if f.capacity >= 0 && f.d.root.blocks()+block > f.capacity {
		return pathErr(Mkdir, name, syscall.ENOSPC)
	}
	f.apply(map[slot]*node{s: newDir(perm)})
	return nil
}

// Rename implements spool.FS.
func (f *FS) Rename(oldname, newname string) error { return f.rename(oldname, newname, true) }

// RenameNew implements spool.FS.
func (f *FS) RenameNew(oldname, newname string) error { return f.rename(oldname, newname, false) }

func (f *FS) rename(oldname, newname string, replace bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(Rename, oldname); err != nil {
		return err
	}
	fail := func(err error) error {
		return &os.LinkError{Op: string(Rename), Old: oldname, New: newname, Err: err}
	}
	from, err := f.slotOf(oldname)
	if err != nil {
		return fail(err)
	}
	to, err := f.slotOf(newname)
	if err != nil {
		return fail(err)
	}
	n, ok := from.dir.entries[from.name]
	if !ok {
		return fail(syscall.ENOENT)
	}
	if was, ok := to.dir.entries[to.name]; ok {
		if !replace {
			return fail(syscall.EEXIST)
		}
		if was.isDir() {
			return fail(syscall.EISDIR)
		}
	}
	f.apply(map[slot]*node{from: nil, to: n})
	return nil
}

// Remove implements spool.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(Remove, name); err != nil {
		return err
	}
	s, err := f.slotOf(name)
	if err != nil {
		return &fs.PathError{Op: string(Remove), Path: name, Err: err}
	}
	n, ok := s.dir.entries[s.name]
	if !ok {
		return pathErr(Remove, name, syscall.ENOENT)
	}
	if n.isDir() && len(n.entries) > 0 {
		return pathErr(Remove, name, syscall.ENOTEMPTY)
	}
	f.apply(map[slot]*node{s: nil})
	return nil
}

// SyncDir implements spool.FS.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(SyncDir, name); err != nil {
		return err
	}
	dir, err := f.find(name)
	if err != nil {
		return &fs.PathError{Op: string(SyncDir), Path: name, Err: err}
	}
	if f.deaf != nil && f.deaf(SyncDir, name) {
		return nil
	}
	for _, c := range f.d.pending {
		delete(c.unsync, dir)
	}
	// A change is durable when its directories are synced; what was done earlier to the same names is so too.
	need := map[slot]bool{}
	var rest []*change
	for _, c := range slices.Backward(f.d.pending) {
		durable := len(c.unsync) == 0
		for s := range c.to {
			durable = durable || need[s]
		}
		if !durable {
			rest = append(rest, c)
			continue
		}
		for s := range c.to {
			need[s] = true
		}
		c.unsync = nil
	}
	for _, c := range f.d.pending {
		if c.unsync == nil {
			for s, n := range c.to {
				s.set(n, true)
			}
		}
	}
	slices.Reverse(rest)
	f.d.pending = rest
	return nil
}

// ReadDir implements spool.FS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(ReadDir, name); err != nil {
		return nil, err
	}
	dir, err := f.find(name)
	if err == nil && !dir.isDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, &fs.PathError{Op: string(ReadDir), Path: name, Err: err}
	}
	var out []fs.DirEntry
	for _, child := range sortedNames(dir.entries) {
		out = append(out, fs.FileInfoToDirEntry(dir.entries[child].info(child)))
	}
	return out, nil
}

// Stat implements spool.FS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(Stat, name); err != nil {
		return nil, err
	}
	n, err := f.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: string(Stat), Path: name, Err: err}
	}
	return n.info(filepath.Base(name)), nil
}

type info struct {
	name  string
	size  int64
	mode  fs.FileMode
	mtime time.Time
}

func (n *node) info(name string) fs.FileInfo {
	return info{name, int64(len(n.data)), n.mode, n.mtime}
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.mtime }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

// Free implements spool.FS. Without a limit it is 1 TiB.
func (f *FS) Free(name string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(Free, name); err != nil {
		return 0, err
	}
	if f.capacity < 0 {
		return 1 << 40, nil
	}
	return max(0, f.capacity-f.d.root.blocks()), nil
}

// FileID implements spool.FS: files are not told apart here.
func (f *FS) FileID(string) string { return "" }

// Lock implements spool.FS. The lock ends with the process.
func (f *FS) Lock(name, owner string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(Lock, name); err != nil {
		return nil, err
	}
	s, err := f.slotOf(name)
	if err != nil {
		return nil, &fs.PathError{Op: string(Lock), Path: name, Err: err}
	}
	n := s.dir.entries[s.name]
	if n == nil {
		n = &node{mode: 0o640, mtime: f.now}
		f.apply(map[slot]*node{s: n})
	}
	if n.locked != nil {
		return nil, spool.ErrLocked
	}
	n.locked, n.data = f, []byte(owner)
	return unlocker{f, n}, nil
}

type unlocker struct {
	f *FS
	n *node
}

func (u unlocker) Close() error {
	u.f.mu.Lock()
	defer u.f.mu.Unlock()
	if u.n.locked == u.f {
		u.n.locked = nil
	}
	return nil
}

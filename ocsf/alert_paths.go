package ocsf

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"unsafe"
)

// Shapes is what alerts have in common: the paths of their fields, which come again and again, in nearly the same order.
// A field that came where it was expected costs a comparison of its name; its path is neither built nor hashed.
//
// Alerts that share Shapes are parsed and asked by one goroutine at a time. The paths themselves never change, so what
// was made of an alert may be used elsewhere meanwhile. The zero value is ready.
type Shapes struct{ tree *pathTree }

// pathTree holds the paths of a time. Paths are invented by whoever writes the logs, so it is bounded: when it is full, the
// next alert begins another, in which there are only the paths that are held, with the same numbers.
type pathTree struct {
	of    *Shapes
	old   bool         // there is another one
	seed  maphash.Seed // random, for the same reason
	nodes []pathNode   // 0 is the alert itself
	table []int32      // open table over the hashes of the paths: numbers of nodes, at most half full
	text  []byte       // the paths made last; bytes once written stay as they are
	size  int          // bytes of all paths
	free  []int32      // numbers of no node
	// held is how many nodes are held, and heldBytes what their paths take.
	held, heldBytes int
	asked           []asked // open table over askHash, at most half full
	asks            int
	// recent are answers to questions by the address of their text.
	recent [1 << recentBits]asked

	observed nameTable // of unmappedObservables
}

// pathNode is a path: of a field, of an object, or of both in different alerts.
type pathNode struct {
	path   []byte    // dotted
	token  []byte    // its last name as it stands in JSON text, with the colon; never one of the alert itself
	head   [2]uint64 // the first 16 bytes of token
	mask   [2]uint64 // those that there are
	hash   uint64
	parent int32
	// What came next to where the last alerts had this path: the first members of the object, and the siblings behind it.
	first, after [2]int32
	odd          bool  // the name is empty or has dots in it: see Alert.irregular
	dotted       bool  // the path has dots
	observed     bool  // it is one of unmappedObservables
	settled      bool  // see settledPath
	holds        int32 // see hold
}

// asked is a path that the mapping asked for. These are texts of the program, not of the alert, so that their hash need
// not be one that nobody can guess.
type asked struct {
	path string
	node int32 // 0: no alert had it yet
}

// pathPlace is where the alert at hand has a path.
type pathPlace struct {
	leafIn   uint32 // the alert's epoch, if it has a leaf there
	objectIn uint32 // or an object
	leaf     int32  // the first
}

const (
	maxNodes     = 1 << 13
	maxPathBytes = 1 << 19
	maxAsked     = 1 << 12
	recentBits   = 11
)

func newPathTree(of *Shapes) *pathTree {
	nodes := make([]pathNode, 1, 256)
	nodes[0].setToken([]byte{0}) // stands nowhere in JSON: 0 in first and after is no member
	return &pathTree{
		of: of, seed: maphash.MakeSeed(), nodes: nodes, table: make([]int32, 1024), asked: make([]asked, 1024),
		observed: newUnmappedTable(),
	}
}

// forAlert returns the tree for another alert.
func (s *Shapes) forAlert() *pathTree {
	switch t := s.tree; {
	case t == nil:
		s.tree = newPathTree(s)
	case len(t.nodes)-len(t.free) > maxNodes || t.size > maxPathBytes:
		s.tree = t.renewed()
	}
	return s.tree
}

// renewed returns a tree of the paths that are held. It is another one because there may be alerts that were parsed with this.
func (t *pathTree) renewed() *pathTree {
	t.old = true
	n := newPathTree(t.of)
	n.seed, n.held, n.heldBytes = t.seed, t.held, t.heldBytes
	last := len(t.nodes) - 1
	for last > 0 && t.nodes[last].holds == 0 {
		last--
	}
	n.nodes = append(n.nodes[:0], t.nodes[:last+1]...)
	if size := 2 * len(n.nodes); size > len(n.table) {
		n.table = make([]int32, 1<<bits.Len(uint(size)))
	}
	// The memory of the paths is that of all paths that were made with them.
	n.text = make([]byte, 0, n.heldBytes)
	for i := last; i >= 0; i-- {
		node := &n.nodes[i]
		if i > 0 && node.holds == 0 {
			*node = pathNode{}
			n.free = append(n.free, int32(i))
			continue
		}
		for _, next := range []*[2]int32{&node.first, &node.after} {
			for k, other := range next {
				if t.nodes[other].holds == 0 {
					next[k] = 0
				}
			}
		}
		if i > 0 {
			node.path, node.token = n.copied(node.path), n.copied(node.token)
			n.size += len(node.path) + len(node.token)
			n.table[n.slot(node.hash, node.path)] = int32(i)
		}
	}
	for _, a := range t.asked {
		if a.path == "" {
			continue
		}
		if t.nodes[a.node].holds == 0 {
			a.node = 0
		}
		n.ask(a)
	}
	return n
}

func (t *pathTree) copied(text []byte) []byte {
	start := len(t.text)
	t.text = append(t.text, text...)
	return t.text[start:len(t.text):len(t.text)]
}

// hold makes a path, and those it lies in, stay with its number when another tree is begun, until it is released as often.
func (t *pathTree) hold(node int32) {
	for ; node != 0; node = t.nodes[node].parent {
		n := &t.nodes[node]
		if n.holds++; n.holds > 1 {
			return
		}
		t.held++
		t.heldBytes += len(n.path) + len(n.token)
	}
}

func (t *pathTree) release(node int32) {
	for ; node != 0; node = t.nodes[node].parent {
		n := &t.nodes[node]
		if n.holds--; n.holds > 0 {
			return
		}
		t.held--
		t.heldBytes -= len(n.path) + len(n.token)
	}
}

// crowded reports whether more is held than there should be: a tree that is renewed needs room for others.
func (t *pathTree) crowded() bool { return t.held > maxNodes/2 || t.heldBytes > maxPathBytes/2 }

// node returns the node of the member key of the object parent.
func (t *pathTree) node(parent int32, top bool, key []byte) int32 {
	// The path is written behind the others, and stays there if it is new.
	if need := len(t.nodes[parent].path) + 1 + len(key) + len(key) + 3; len(t.text)+need > cap(t.text) {
		t.text = make([]byte, 0, max(4096, 2*need))
	}
	start := len(t.text)
	path := t.text[start:]
	if !top {
		path = append(append(path, t.nodes[parent].path...), '.')
	}
	path = append(path, key...)
	path = path[:len(path):len(path)]
	hash := maphash.Bytes(t.seed, path)
	at := t.slot(hash, path)
	if t.table[at] != 0 {
		return t.table[at]
	}
	t.text = append(append(append(t.text[:start+len(path)], '"'), key...), '"', ':')
	token := t.text[start+len(path):]
	t.size += len(path) + len(token)
	made := pathNode{
		path: path, hash: hash, parent: parent, odd: len(key) == 0 || containsDot(key), dotted: containsDot(path),
		observed: findName(&t.observed, path) >= 0, settled: settledPath(string(path)),
	}
	n := int32(len(t.nodes))
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
		t.nodes[n] = made
	} else {
		t.nodes = append(t.nodes, made)
	}
	t.table[at] = n
	t.nodes[n].setToken(token[:len(token):len(token)])
	if a := t.question(string(path)); a != nil && len(path) > 0 {
		a.node = n
		t.recent = [1 << recentBits]asked{}
	} else if t.asks == maxAsked {
		t.recent = [1 << recentBits]asked{} // it may know of paths that are not among the questions
	}
	if 2*len(t.nodes) > len(t.table) {
		t.table = make([]int32, 2*len(t.table))
		for i := 1; i < len(t.nodes); i++ {
			if t.nodes[i].token == nil {
				continue // free
			}
			t.table[t.slot(t.nodes[i].hash, t.nodes[i].path)] = int32(i)
		}
	}
	return n
}

func (n *pathNode) setToken(token []byte) {
	n.token = token
	var head, mask [16]byte
	copy(head[:], token)
	for i := range min(len(token), len(mask)) {
		mask[i] = 0xff
	}
	for i := range n.head {
		n.head[i], n.mask[i] = binary.LittleEndian.Uint64(head[8*i:]), binary.LittleEndian.Uint64(mask[8*i:])
	}
}

// slot returns where in the table the path is, or belongs.
func (t *pathTree) slot(hash uint64, path []byte) uint64 {
	mask := uint64(len(t.table) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		n := t.table[i]
		if n == 0 || t.nodes[n].hash == hash && string(t.nodes[n].path) == string(path) {
			return i
		}
	}
}

// expect notes that node came behind last, or as the first member of parent when last is 0.
func (t *pathTree) expect(parent, last, node int32) {
	if n := &t.nodes[node]; n.parent != parent || plainEnd(n.token, 1) != len(n.token)-2 {
		return // a name with dots in it, whose path is at home elsewhere; one that does not stand in JSON as it is
	}
	next := &t.nodes[parent].first
	if last != 0 {
		next = &t.nodes[last].after
	}
	next[1], next[0] = next[0], node
}

// find returns the node of a path that the program asks for, 0 if no alert had it.
//
// It is asked a hundred times per alert, nearly always with literals. What lies at the same address with the same length
// is the same text, which spares to read it; recent keeps the text, so that its address is given to no other.
func (t *pathTree) find(path string) int32 {
	text := unsafe.StringData(path)
	address := uint64(uintptr(unsafe.Pointer(text)))
	r := &t.recent[address*0x9e3779b97f4a7c15>>(64-recentBits)]
	if len(r.path) == len(path) && unsafe.StringData(r.path) == text && len(path) > 0 {
		return r.node
	}
	*r = asked{path, t.findText(path)}
	return r.node
}

func (t *pathTree) findText(path string) int32 {
	if path != "" {
		if a := t.question(path); a != nil {
			return a.node
		}
	}
	node := t.lookUp([]byte(path))
	if t.asks < maxAsked && path != "" {
		t.ask(asked{path, node})
	}
	return node
}

// lookUp returns the node of a path, 0 if no alert had it.
func (t *pathTree) lookUp(path []byte) int32 {
	return t.table[t.slot(maphash.Bytes(t.seed, path), path)]
}

// question returns the entry of a path that was asked for, or nil.
func (t *pathTree) question(path string) *asked {
	mask := uint32(len(t.asked) - 1)
	for i := askHash(path) & mask; ; i = (i + 1) & mask {
		a := &t.asked[i]
		if a.path == path {
			return a
		}
		if a.path == "" {
			return nil
		}
	}
}

func (t *pathTree) ask(a asked) {
	if 2*t.asks >= len(t.asked) {
		old := t.asked
		t.asked = make([]asked, 2*len(old))
		for _, o := range old {
			if o.path != "" {
				t.put(o)
			}
		}
	}
	t.put(a)
	t.asks++
}

func (t *pathTree) put(a asked) {
	mask := uint32(len(t.asked) - 1)
	i := askHash(a.path) & mask
	for t.asked[i].path != "" {
		i = (i + 1) & mask
	}
	t.asked[i] = a
}

// askHash is made of the length and of up to sixteen letters at the end, where paths differ.
func askHash(path string) uint32 {
	const mix = 0x9e3779b97f4a7c15
	n := len(path)
	h := uint64(n)
	if n >= 8 {
		h = (h ^ letters(path[n-8:])) * mix
		h ^= letters(path[max(0, n-16):])
	} else {
		for i := range n {
			h = h<<8 | uint64(path[i])
		}
	}
	return uint32(h * mix >> 32)
}

// letters reads eight bytes.
func letters(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

package ocsf

import "hash/maphash"

// pathIndex finds a leaf by its path: an open table of leaf numbers, kept at most half full. The hash is seeded at random,
// because whoever writes the logs chooses the paths.
type pathIndex struct {
	seed    maphash.Seed
	seeded  bool
	slots   []indexSlot
	used    []int32  // slots to empty again
	objects []uint64 // hashes of the paths of objects
	seen    uint64   // one bit for each of objects: most questions are answered by it
}

type indexSlot struct {
	hash uint64
	leaf int32 // number of the leaf + 1; 0 is a free slot
}

func (x *pathIndex) hash(path []byte) uint64 { return maphash.Bytes(x.seed, path) }

func (x *pathIndex) reset() {
	for _, s := range x.used {
		x.slots[s] = indexSlot{}
	}
	x.used, x.objects, x.seen = x.used[:0], x.objects[:0], 0
}

// ready must be called before the first hash.
func (x *pathIndex) ready() {
	if !x.seeded {
		x.seed, x.seeded = maphash.MakeSeed(), true
	}
}

func (x *pathIndex) find(a *Alert, path string) int32 {
	if len(x.used) == 0 {
		return -1
	}
	hash := maphash.String(x.seed, path)
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := x.slots[i]
		if s.leaf == 0 {
			return -1
		}
		if s.hash == hash && string(a.leaves[s.leaf-1].Path) == path {
			return s.leaf - 1
		}
	}
}

// hasLeaf compares only the hash: enough to suspect that a path is there twice.
func (x *pathIndex) hasLeaf(hash uint64) bool {
	if len(x.used) == 0 {
		return false
	}
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; x.slots[i].leaf != 0; i = (i + 1) & mask {
		if x.slots[i].hash == hash {
			return true
		}
	}
	return false
}

// insert adds a leaf unless its path is there already; then it returns the first leaf with that path, else -1.
func (x *pathIndex) insert(a *Alert, hash uint64, leaf int32) int32 {
	if len(x.slots) < 2*(len(x.used)+1) {
		x.grow()
	}
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := x.slots[i]
		if s.leaf == 0 {
			x.slots[i] = indexSlot{hash, leaf + 1}
			x.used = append(x.used, int32(i))
			return -1
		}
		if s.hash == hash && string(a.leaves[s.leaf-1].Path) == string(a.leaves[leaf].Path) {
			return s.leaf - 1
		}
	}
}

func (x *pathIndex) grow() {
	old, used := x.slots, x.used
	x.slots = make([]indexSlot, max(256, 2*len(old)))
	x.used = make([]int32, 0, len(x.slots)/2)
	mask := uint64(len(x.slots) - 1)
	for _, u := range used {
		i := old[u].hash & mask
		for x.slots[i].leaf != 0 {
			i = (i + 1) & mask
		}
		x.slots[i] = old[u]
		x.used = append(x.used, int32(i))
	}
}

// maxObjects bounds the list that hasObject and addObject search; objects beyond it are flattened all the same.
const maxObjects = 256

// addObject notes that the path is an object; it reports false when it is not known to be the first one there.
func (x *pathIndex) addObject(hash uint64) bool {
	if len(x.objects) == maxObjects || x.hasObject(hash) {
		return false
	}
	x.objects = append(x.objects, hash)
	x.seen |= 1 << (hash >> 58)
	return true
}

func (x *pathIndex) hasObject(hash uint64) bool {
	if x.seen&(1<<(hash>>58)) == 0 {
		return false
	}
	for _, h := range x.objects {
		if h == hash {
			return true
		}
	}
	return false
}

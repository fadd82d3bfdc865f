package ocsf

// pathIndex finds a leaf by the hash of its path: an open table of leaf numbers, kept at most half full.
// The hash is FNV-1a, because it can be continued from the path of an object to the paths of its members.
type pathIndex struct {
	slots   []indexSlot
	used    []int32 // slots to empty again
	objects []uint64
}

type indexSlot struct {
	hash uint64
	leaf int32 // number of the leaf + 1; 0 is a free slot
}

const (
	hashSeed  = 14695981039346656037
	hashPrime = 1099511628211
)

func hashBytes(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * hashPrime
	}
	return h
}

func hashString(h uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * hashPrime
	}
	return h
}

func (x *pathIndex) reset() {
	for _, s := range x.used {
		x.slots[s] = indexSlot{}
	}
	x.used, x.objects = x.used[:0], x.objects[:0]
}

func (x *pathIndex) find(a *Alert, hash uint64, path string) int32 {
	if len(x.used) == 0 {
		return -1
	}
	mask := uint64(len(x.slots) - 1)
	for i := spread(hash) & mask; ; i = (i + 1) & mask {
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
	for i := spread(hash) & mask; x.slots[i].leaf != 0; i = (i + 1) & mask {
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
	for i := spread(hash) & mask; ; i = (i + 1) & mask {
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
		i := spread(old[u].hash) & mask
		for x.slots[i].leaf != 0 {
			i = (i + 1) & mask
		}
		x.slots[i] = old[u]
		x.used = append(x.used, int32(i))
	}
}

// spread folds the upper bits in: the low bits of FNV alone are weak.
func spread(hash uint64) uint64 { return hash ^ hash>>29 }

// maxObjects bounds the list that hasObject and addObject search; objects beyond it are flattened all the same.
const maxObjects = 256

// addObject notes that the path is an object; it reports false when it is not known to be the first one there.
func (x *pathIndex) addObject(hash uint64) bool {
	if len(x.objects) == maxObjects || x.hasObject(hash) {
		return false
	}
	x.objects = append(x.objects, hash)
	return true
}

func (x *pathIndex) hasObject(hash uint64) bool {
	for _, h := range x.objects {
		if h == hash {
			return true
		}
	}
	return false
}

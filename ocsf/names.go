package ocsf

// nameTable finds the position of a name in a small, fixed list. It is asked a hundred times per alert, nearly always with
// a literal, and a map would cost five times as much. The zero table is empty.
type nameTable struct {
	table []namePosition // open table over nameHash, at most a quarter full
}

// namePosition is a name and its position; a free one has no name.
type namePosition struct {
	name string
	at   int
}

// newNameTable returns the table of different names.
func newNameTable(names []string) nameTable {
	size := 8
	for size < 4*len(names) {
		size *= 2
	}
	t := nameTable{make([]namePosition, size)}
	for i, name := range names {
		h := int(nameHash(name)) & (size - 1)
		for t.table[h].name != "" {
			h = (h + 1) & (size - 1)
		}
		t.table[h] = namePosition{name, i}
	}
	return t
}

// findName returns the position of a name, given as text or as bytes, or -1.
func findName[N string | []byte](t *nameTable, name N) int {
	if len(name) == 0 || len(t.table) == 0 {
		return -1
	}
	mask := uint32(len(t.table) - 1)
	for h := nameHash(name) & mask; ; h = (h + 1) & mask {
		p := &t.table[h]
		if len(p.name) == 0 {
			return -1
		}
		if p.name == string(name) {
			return p.at
		}
	}
}

// nameHash tells names apart by their length and three of their letters.
func nameHash[N string | []byte](name N) uint32 {
	n := len(name)
	h := uint32(n) | uint32(name[0])<<8 | uint32(name[n/2])<<16 | uint32(name[n-1])<<24
	return h * 0x9e3779b1 >> 16
}

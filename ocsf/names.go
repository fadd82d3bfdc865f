package ocsf

// nameTable finds the position of a name in a small, fixed list. It is asked a hundred times per alert, nearly always with
// a literal, and a map would cost five times as much. The zero table is empty.
type nameTable struct {
	names []string
	table []uint16 // open table over nameHash, at most a quarter full: position + 1, 0 is free
}

// newNameTable returns the table of different names.
func newNameTable(names []string) nameTable {
	size := 8
	for size < 4*len(names) {
		size *= 2
	}
	t := nameTable{names, make([]uint16, size)}
	for i, name := range names {
		h := int(nameHash(name)) & (size - 1)
		for t.table[h] != 0 {
			h = (h + 1) & (size - 1)
		}
		t.table[h] = uint16(i + 1)
	}
	return t
}

// findName returns the position of a name, given as text or as bytes, or -1.
func findName[N string | []byte](t *nameTable, name N) int {
	if len(name) == 0 || len(t.names) == 0 {
		return -1
	}
	mask := uint32(len(t.table) - 1)
	for h := nameHash(name) & mask; ; h = (h + 1) & mask {
		i := t.table[h]
		if i == 0 {
			return -1
		}
		if t.names[i-1] == string(name) {
			return int(i - 1)
		}
	}
}

// nameHash tells names apart by their length and three of their letters.
func nameHash[N string | []byte](name N) uint32 {
	n := len(name)
	h := uint32(n) | uint32(name[0])<<8 | uint32(name[n/2])<<16 | uint32(name[n-1])<<24
	return h * 0x9e3779b1 >> 16
}

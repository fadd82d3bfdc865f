package lake

import "bytes"

const (
	// pageBytes is the most that a page has, of several rows: 1 MB less what its frame may take.
	pageBytes = 995_000
	// pageRows is the most rows of a page, the unit that a reader with a page index skips. parquet-mr has 20,000; but a row
	// group has hardly more, and each page has tables of its own to be decoded with.
	pageRows = 50_000
)

// cutter cuts a column into pages of whole rows, each as large as it may be.
type cutter struct {
	column *column
	levels []byte
	values int
	rows   int

	entry, entryEnd int // of the page at hand
	value, valueEnd int
	pageRows        int
}

// next goes to the next page, if there is one.
func (k *cutter) next() bool {
	k.entry, k.value, k.pageRows = k.entryEnd, k.valueEnd, 0
	if k.entry == len(k.levels) {
		return false
	}
	if k.entry == 0 && k.rows <= pageRows && k.width(len(k.levels), k.values) <= pageBytes {
		k.entryEnd, k.valueEnd, k.pageRows = len(k.levels), k.values, k.rows
		return true
	}
	maxDef := maxDefOf(k.column)
	if k.column.maxRep == 0 && k.fill(maxDef) {
		return true
	}
	for k.stride(maxDef) {
	}
	for k.pageRows < pageRows && k.entryEnd < len(k.levels) {
		end, value := k.entryEnd, k.valueEnd
		for {
			if k.levels[end]&defMask == maxDef {
				value++
			}
			if end++; end == len(k.levels) || k.levels[end]>>repShift == 0 {
				break
			}
		}
		if k.pageRows > 0 && k.width(end, value) > pageBytes {
			break
		}
		k.entryEnd, k.valueEnd = end, value
		k.pageRows++
	}
	return true
}

// fill makes the next page one of as many rows as a page may have, if they fit, without looking at each: a column outside
// of lists has one entry for each row.
func (k *cutter) fill(maxDef uint8) bool {
	rows := min(pageRows, len(k.levels)-k.entry)
	end := k.entry + rows
	values := k.value + bytes.Count(k.levels[k.entry:end], []byte{maxDef})
	if k.width(end, values) > pageBytes {
		return false
	}
	k.entryEnd, k.valueEnd, k.pageRows = end, values, rows
	return true
}

// stride takes some rows more into the page at hand, if they fit, without looking at each.
func (k *cutter) stride(maxDef uint8) bool {
	const entries = 256
	end, values, rows := k.entryEnd+entries, k.valueEnd, k.pageRows
	for end < len(k.levels) && k.levels[end]>>repShift != 0 {
		end++
	}
	if end >= len(k.levels) {
		return false
	}
	for _, l := range k.levels[k.entryEnd:end] { // no branches: they cannot be foretold
		values += int((uint32(l&defMask^maxDef) - 1) >> 31)
		rows += int((uint32(l>>repShift) - 1) >> 31)
	}
	if rows > pageRows || k.width(end, values) > pageBytes {
		return false
	}
	k.entryEnd, k.valueEnd, k.pageRows = end, values, rows
	return true
}

// width is what the entries and values from those at hand to the given ends take in a page, at most.
func (k *cutter) width(entryEnd, valueEnd int) int {
	const levelCost, numWidth = 2, 8
	w := levelCost * (entryEnd - k.entry)
	if c := k.column; c.text() && !c.coded() && valueEnd > k.value {
		return w + int(c.refs[valueEnd-1]) - c.textStart(k.value)
	}
	return w + numWidth*(valueEnd-k.value)
}

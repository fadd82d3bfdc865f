package lake

import (
	"math"
	"slices"
)

// single reports whether each kind has one value or none in the column at hand.
func (x *filler) single() bool {
	for _, h := range x.hits {
		if h.values.to-h.values.from > 1 {
			return false
		}
	}
	return true
}

// list lists the values by kind.
func (x *filler) list() {
	clear(x.values)
	for _, h := range x.hits {
		x.values[h.kind] = x.patterns[h.kind].values[h.values.from:h.values.to]
	}
}

// addNumbers adds the numbers of each row.
func (x *filler) addNumbers(c *column) {
	if !x.single() {
		x.list()
		for i, kind := range x.of {
			for _, v := range x.values[kind] {
				if v < 0 {
					c.nums = append(c.nums, x.patterns[kind].consts[constant(v)])
				} else {
					c.nums = append(c.nums, x.nums[x.rows[i].nums+v])
				}
			}
		}
		return
	}
	for i := range x.source {
		x.source[i] = source{nums: x.none[:]}
	}
	for _, h := range x.hits {
		p := x.patterns[h.kind]
		if v := p.values[h.values.from]; v < 0 {
			x.source[h.kind] = source{p.consts, constant(v), 0, 1}
		} else {
			x.source[h.kind] = source{x.nums, v, -1, 1}
		}
	}
	n := len(c.nums)
	c.nums = slices.Grow(c.nums, len(x.of))[:n+len(x.of)]
	for i, kind := range x.of {
		s := &x.source[kind]
		c.nums[n] = s.nums[s.base+x.rows[i].nums&s.mask]
		n += int(s.values)
	}
	c.nums = c.nums[:n]
}

// addSpelled adds the texts of each row to a column that is PLAIN.
func (x *filler) addSpelled(c *column) {
	x.list()
	for i, kind := range x.of {
		for _, v := range x.values[kind] {
			start := len(c.arena)
			if v < 0 {
				c.arena = append(c.arena, x.patterns[kind].plain(constant(v))...)
			} else {
				t := &x.texts[x.rows[i].texts+v]
				c.arena = appendPlain(c.arena, x.arena[t.from:t.to])
			}
			c.longest = max(c.longest, len(c.arena)-start-lengthBytes)
			c.refs = append(c.refs, int32(len(c.arena)))
		}
	}
}

// A code is the number of a word, or noValue, or below that a variable, or far below a text that has no number yet.
const noValue = -1

func variable(n int32) int32 { return noValue - 1 - n }

// isValue is 1 for a code other than noValue, once variables are looked up.
func isValue(code int32) int { return int(^uint32(code) >> 31) }

// unknown and below, less by its number, is a constant text that was not looked up yet.
const unknown = math.MinInt32 / 2

// codeOf is the code of a value; refs are those of its kind.
func codeOf(refs []int32, v int32) int32 {
	if v >= 0 {
		return variable(v)
	}
	if ref := refs[constant(v)]; ref != noRef {
		return ref
	}
	return unknown - constant(v)
}

// addCoded adds the texts of each row to a column with a dictionary.
func (x *filler) addCoded(c *column) {
	if !x.single() {
		x.addCodedLists(c)
		return
	}
	constants := true
	for i := range x.codes {
		x.codes[i] = noValue
	}
	for _, h := range x.hits {
		code := codeOf(x.refsOf(h.kind), x.patterns[h.kind].values[h.values.from])
		if code <= unknown { // the first row decides when it gets its number
			x.addCodedLists(c)
			return
		}
		x.codes[h.kind] = code
		constants = constants && code >= 0
	}
	n := len(c.refs)
	c.refs = slices.Grow(c.refs, len(x.of))[:n+len(x.of)]
	if constants {
		for _, kind := range x.of {
			code := x.codes[kind]
			c.refs[n] = code
			n += isValue(code)
		}
		c.refs = c.refs[:n]
		return
	}
	for i, kind := range x.of {
		code := x.codes[kind]
		if code < noValue {
			t := &x.texts[x.rows[i].texts+variable(code)]
			code = x.number(c, i, t.hash, x.arena[t.from:t.to])
		}
		c.refs[n] = code
		n += isValue(code)
	}
	c.refs = c.refs[:n]
}

// addCodedLists is addCoded for any number of texts in a row, looked up or not.
func (x *filler) addCodedLists(c *column) {
	x.listCodes()
	for i, kind := range x.of {
		l := &x.lists[kind]
		if l.settled {
			c.refs = append(c.refs, l.codes...)
			continue
		}
		l.settled = true
		for j, code := range l.codes {
			switch {
			case code >= 0:
			case code > unknown:
				t := &x.texts[x.rows[i].texts+variable(code)]
				code, l.settled = x.number(c, i, t.hash, x.arena[t.from:t.to]), false
			default: // the first row decides when it gets its number
				code = x.word(c, i, unknown-code)
				l.codes[j] = code
			}
			c.refs = append(c.refs, code)
		}
	}
}

// codeList are the codes of a row in a column, by kind. Settled are those that are all words, looked up.
type codeList struct {
	codes   []int32
	settled bool
}

// listCodes lists the codes by kind.
func (x *filler) listCodes() {
	clear(x.lists)
	codes := x.listed[:0]
	for _, h := range x.hits {
		refs, from := x.refsOf(h.kind), len(codes)
		for _, v := range x.patterns[h.kind].values[h.values.from:h.values.to] {
			codes = append(codes, codeOf(refs, v))
		}
		x.lists[h.kind].codes = codes[from:] // where they stay if the others need more memory
	}
	x.listed = codes
}

// refsOf are the numbers of the constant texts of a kind.
func (x *filler) refsOf(kind int) []int32 {
	l := &x.group.likeness
	return l.refs[l.alike[x.kinds[kind]].refs:]
}

// word looks up constant text n of row i.
func (x *filler) word(c *column, i int, n int32) int32 {
	kind := int(x.of[i])
	ref := &x.refsOf(kind)[n]
	if *ref == noRef { // it may stand twice in the row
		text := x.patterns[kind].plain(n)[lengthBytes:]
		*ref = x.number(c, i, x.seeds.hash(text), text)
	}
	return *ref
}

// number looks a text of row i of the batch up in the dictionary of c.
func (x *filler) number(c *column, i int, hash uint32, text []byte) int32 {
	before := len(c.words.ends)
	ref := c.words.find(hash, text)
	if len(c.words.ends) > before {
		x.grown = append(x.grown, growth{x.first + i, wordCost + int64(len(text))})
	}
	return ref
}

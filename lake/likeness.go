package lake

import "wazuh-security-lake/ocsf"

// likeness is what the rows of a group that are of a pattern share, for each pattern. It is lost with the rows: the
// numbers of texts are those in the dictionaries of the group, and the next object may spell other columns.
type likeness struct {
	numbers map[*Pattern]int32
	alike   []alike
	refs    []int32 // of the constant texts of each pattern; noRef: not looked up yet
	uses    []use   // of the variable texts of each pattern
	last    *Pattern
	lastAt  int32
}

// alike is what the rows of one pattern share.
type alike struct {
	p          *Pattern
	refs, uses int32 // where its own begin
	// cost is what a row takes but for its variable texts and the words that are new with it.
	cost int64
	// fresh and width are what the constant texts add at most when they are looked up: altogether, and to the dictionary
	// of one column.
	fresh, width int64

	batch int64  // the last one that had a row of the pattern
	local uint16 // its number in that batch
}

// use says what becomes of a variable text.
type use struct {
	coded int32 // how often it is looked up in a dictionary
	most  int32 // in the dictionary of one column
	plain int32 // how often it is spelled
}

const (
	noRef   = -1
	noBatch = -1
)

// manyRefs is how many numbers are kept at most, about: patterns come and go.
const manyRefs = 1 << 18

func (l *likeness) crowded() bool { return len(l.refs)+len(l.uses) > manyRefs }

// find returns the number of p among the alike, or -1.
func (l *likeness) find(p *Pattern) int32 {
	if p != l.last {
		k, ok := l.numbers[p]
		if !ok {
			return -1
		}
		l.last, l.lastAt = p, k
	}
	return l.lastAt
}

// enter takes note of p and returns its number.
func (l *likeness) enter(p *Pattern, columns []column) int32 {
	a := alike{p: p, refs: int32(len(l.refs)), uses: int32(len(l.uses)), cost: p.cost, batch: noBatch}
	for range p.ends {
		l.refs = append(l.refs, noRef)
	}
	for range p.texts {
		l.uses = append(l.uses, use{})
	}
	uses := l.uses[a.uses:]
	for _, f := range p.columns {
		c := &columns[f.at]
		if c.kind != ocsf.KindString {
			continue
		}
		values, coded, width := p.values[f.values.from:f.values.to], c.coded(), int64(0)
		for i, v := range values {
			switch {
			case v < 0 && coded:
				width += int64(len(p.plain(constant(v))))
			case v < 0:
				a.cost += int64(len(p.plain(constant(v))))
			case coded:
				uses[v].coded++
				n := int32(1)
				for _, w := range values[:i] {
					if w == v {
						n++
					}
				}
				uses[v].most = max(uses[v].most, n)
			default:
				uses[v].plain++
			}
		}
		a.fresh += width
		if coded {
			a.fresh += wordCost * int64(len(values))
		}
		a.width = max(a.width, width)
	}
	if l.numbers == nil {
		l.numbers = make(map[*Pattern]int32)
	}
	l.numbers[p] = int32(len(l.alike))
	l.alike = append(l.alike, a)
	return int32(len(l.alike) - 1)
}

func (l *likeness) reset() {
	clear(l.numbers)
	clear(l.alike) // they hold patterns
	l.alike, l.refs, l.uses, l.last = l.alike[:0], l.refs[:0], l.uses[:0], nil
}

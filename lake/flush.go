package lake

import (
	"errors"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"

	"wazuh-security-lake/ocsf"
)

// Presses are what row groups are encoded with, for encoders to share: with one Presses for all encoders of a program
// there are as many presses as row groups are written at a time, instead of one for each open object. They are safe for
// concurrent use. The zero Presses is ready.
type Presses struct {
	mu   sync.Mutex
	idle map[pressKey][]*press // guarded by mu
}

type pressKey struct {
	class *ocsf.Class
	hands int
}

// pressUses is how many row groups a press serves. What one of them made its buffers grow to is given back then: each is
// bounded, but there are several for each column of a class.
const pressUses = 64

// get returns a press for the class of l.
func (s *Presses) get(l *layout, hands int) *press {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := pressKey{l.class, hands}
	if idle := s.idle[key]; len(idle) > 0 {
		s.idle[key] = idle[:len(idle)-1]
		return idle[len(idle)-1]
	}
	return newPress(key, l)
}

// put takes a press back, unless it is worn out.
func (s *Presses) put(p *press) {
	if p.uses++; p.uses > pressUses {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == nil {
		s.idle = make(map[pressKey][]*press)
	}
	s.idle[p.key] = append(s.idle[p.key], p)
}

// press makes row groups of gathered columns: it finds those that are unlike the ones before them, has its hands encode
// them, and the library write them to the object. It is used by one goroutine at a time.
type press struct {
	key   pressKey
	hands []*hand
	uses  int // row groups it has served

	bounds  int64     // bytes that the min and max values of the row group may take in the footer
	twinOf  []int     // by column, the one whose chunk it gets; itself where it has its own
	spineOf []int     // by column without a value, the spine whose levels it has
	madeBy  []int     // by column, the hand that has its chunk
	source  []int     // by column, the slot of the chunk on the hand's stage
	unlike  [][]int32 // by spine, the columns that have no value and were encoded
	twins   map[shape][]int32
	heavy   []int // the columns to encode, with several hands the largest first
}

func newPress(key pressKey, l *layout) *press {
	p := &press{key: key, unlike: make([][]int32, len(l.around)), twins: make(map[shape][]int32)}
	for range max(key.hands, 1) {
		p.hands = append(p.hands, newHand())
	}
	return p
}

// shape is what columns must have in common to be alike.
type shape struct {
	physical       ocsf.Kind
	dict, plain    bool
	maxDef, maxRep uint8
	entries        int
	values         int
}

// write writes the first n rows of g, which is complete, in its order, to the object as one row group.
func (p *press) write(object *parquet.GenericWriter[any], g *group, n int) error {
	defer clear(p.twins)
	for i := range p.unlike {
		p.unlike[i] = p.unlike[i][:0]
	}
	p.twinOf, p.spineOf = p.twinOf[:0], p.spineOf[:0]
	for i := range g.columns {
		twin, spine := p.alike(g, i)
		if twin < 0 {
			twin = i
		}
		p.twinOf, p.spineOf = append(p.twinOf, twin), append(p.spineOf, spine)
	}
	p.share(g)
	defer func() {
		for _, h := range p.hands {
			h.clear()
		}
	}()
	if err := p.encode(g, n); err != nil {
		return err
	}
	chunks := make([]parquet.ColumnChunk, len(g.columns))
	for i, twin := range p.twinOf {
		chunks[i] = p.hands[p.madeBy[twin]].chunks[p.source[twin]]
	}
	p.bounds = 0
	for _, h := range p.hands {
		p.bounds += h.bounds
	}
	_, err := object.WriteRowGroup(&arrangement{p.hands[p.madeBy[0]].staged, object.Schema(), chunks})
	return err
}

// share gives each column that is encoded to the hand that has least to do. Which one that is makes no difference to the
// bytes.
func (p *press) share(g *group) {
	p.madeBy, p.source = append(p.madeBy[:0], p.twinOf...), append(p.source[:0], p.twinOf...)
	p.heavy = p.heavy[:0]
	for i, twin := range p.twinOf {
		if twin == i {
			p.heavy = append(p.heavy, i)
		}
	}
	if len(p.hands) > 1 {
		slices.SortStableFunc(p.heavy, func(a, b int) int { return g.columns[b].weight() - g.columns[a].weight() })
	}
	for _, i := range p.heavy {
		c := &g.columns[i]
		least := 0
		for k, h := range p.hands {
			if h.load < p.hands[least].load {
				least = k
			}
		}
		h := p.hands[least]
		h.load += c.weight()
		h.columns = append(h.columns, i)
		h.need[c.variant().number()]++
		p.madeBy[i] = least
	}
}

// weight is about how long it takes to encode the column.
func (c *column) weight() int {
	w := 1 + len(c.levels)/4 + len(c.refs) + len(c.nums) + len(c.arena)
	return w
}

// encode has all hands do their columns.
func (p *press) encode(g *group, n int) error {
	errs := make([]error, len(p.hands))
	var others sync.WaitGroup
	for k, h := range p.hands[1:] {
		others.Go(func() { errs[k+1] = h.encode(p, g, n) })
	}
	errs[0] = p.hands[0].encode(p, g, n)
	others.Wait()
	return errors.Join(errs...)
}

// alike returns an earlier column whose chunk is that of column i as well, or -1. Of a column without a value it also
// returns the spine whose levels it has.
func (p *press) alike(g *group, i int) (twin, spine int) {
	c := &g.columns[i]
	if c.values() > 0 {
		key := shape{c.physical(), c.dict, c.plain, c.maxDef, c.maxRep, len(c.levels), c.values()}
		for _, k := range p.twins[key] {
			if g.columns[k].same(c) {
				return int(k), 0
			}
		}
		p.twins[key] = append(p.twins[key], int32(i))
		return -1, 0
	}
	spine = c.spine
	for g.spines[spine].seen == 0 && spine > 0 {
		spine = g.layout.around[spine]
	}
	for _, k := range p.unlike[spine] {
		if g.columns[k].twin(c.leaf) {
			return int(k), spine
		}
	}
	p.unlike[spine] = append(p.unlike[spine], int32(i))
	return -1, spine
}

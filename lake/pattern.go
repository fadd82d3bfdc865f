package lake

import (
	"fmt"
	"sync"

	"wazuh-security-lake/ocsf"
)

// Variables says which values of an event differ between events of the same pattern. What it does not name is the same in
// all of them, and so is which attributes are set and how many elements each list has.
type Variables interface {
	// Text returns the number of the variable that this text is, or -1 for a constant. The text is known by its memory: it
	// is the Str, an element of the Strs, or the key or value of an Unmapped pair of the event, not a copy.
	Text(text []byte) int
	// Num returns the number of the variable that Value.Num of v is, or -1 for a constant.
	Num(v *ocsf.Value) int
}

// Pattern is the way of events that are alike into the columns of their class: which entries of levels and values an
// event adds to which column, with the constant values in it and the numbers of the variable ones. It is immutable and
// may be shared by encoders and goroutines.
type Pattern struct {
	class   *ocsf.Class
	levels  []byte   // of all streams that an event fills, one after the other; that of the root is the first
	spines  []fill   // the objects that an event fills, without the root, in their order
	columns []fill   // the columns, in their order
	filled  []uint64 // those of the columns as a set, behind those of the spines

	values []int32 // of all columns: from 0 on the place in texts or nums, below that of a constant, see constant
	words  []byte  // the constant texts, each with its length before it
	ends   []int32 // in words
	consts []int64 // the constant numbers
	texts  []int32 // the variables of the caller that are used
	nums   []int32 // of the time: timeOfEvent
	ranged []ranged

	timeVar  int32 // the variable that the attribute time is, or -1
	minTexts int   // how many variables the caller must have
	minNums  int
	cost     int64 // what the objects, numbers and refs of a row take
}

// fill is what an event adds to a stream, and the values of a column.
type fill struct {
	at             uint16 // spine or column
	levels, values span
}

// span is small because there are many: see compiler.pattern for rows that it cannot express.
type span struct{ from, to uint16 }

// ranged is a variable that must fit a column of 32 bits.
type ranged struct {
	num    int32
	column uint16
}

// constant turns the number of a constant into what stands in Pattern.values, and back.
func constant(n int32) int32 { return ^n }

// timeOfEvent stands for the variable that every event has.
const timeOfEvent = -1

// plain is constant text n with its length before it.
func (p *Pattern) plain(n int32) []byte {
	start := int32(0)
	if n > 0 {
		start = p.ends[n-1]
	}
	return p.words[start:p.ends[n]]
}

// Patterns makes the patterns of a class. It may be used by several goroutines.
type Patterns struct {
	tree *tree
	mu   sync.Mutex
	idle []*compiler // guarded by mu: as many as goroutines were in New at a time
}

// NewPatterns returns the Patterns of a class. The error is a class that Parquet cannot express.
func NewPatterns(c *ocsf.Class) (*Patterns, error) {
	t, err := newTree(c)
	if err != nil {
		return nil, err
	}
	return &Patterns{tree: t}, nil
}

// New compiles the pattern of which ev is an example. It copies what it needs of ev, which may be reset on return.
//
// The errors are those for which Write refuses the event without a look at its variables, which wrap ErrEvent or ErrClass, and
// one for an event so large that it is no pattern of others.
func (s *Patterns) New(ev *ocsf.Event, v Variables) (*Pattern, error) {
	t := s.tree
	if ev.Class != t.class {
		return nil, fmt.Errorf("%w: %s instead of %s", ErrClass, ev.Class, t.class)
	}
	if at := &ev.Root.Values[t.time]; !at.Set || at.Num != ev.Time {
		return nil, fmt.Errorf("%w: attribute time differs from the time of the event", ErrEvent)
	}
	c := s.get()
	defer s.put(c)
	return c.compile(ev, v)
}

func (s *Patterns) get() *compiler {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return newCompiler(s.tree)
	}
	c := s.idle[n-1]
	s.idle = s.idle[:n-1]
	return c
}

func (s *Patterns) put(c *compiler) {
	c.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
}

package lake

// batch are the last rows that came through WritePattern, before they are in the columns. It holds what differs between
// them; put together with their patterns they go into the columns one column at a time, whose memory and dictionary are
// at hand then. It belongs to the encoder: see Encoder.expand.
type batch struct {
	number int64    // counts batches, so that no alike needs to be cleared
	kinds  []int32  // the patterns of the rows, by their number in likeness
	of     []uint16 // the kind of each row
	rows   []batchRow
	texts  []batchText
	arena  []byte
	nums   []int64

	// cost and width are bounds of what the texts take when they are looked up: altogether, and in the dictionary of any
	// one column.
	cost, width int64
	longer      int64 // how much longer the longest texts of all columns can be, together
}

// batchRow is where the variables of a row begin.
type batchRow struct{ texts, nums int32 }

// batchText is a text in the arena.
type batchText struct {
	from, to int32
	hash     uint32
}

const (
	// batchRows and batchBytes are where a batch ends: what it works on should stay in the second level cache.
	batchRows  = 1024
	batchBytes = 512 << 10
)

func (b *batch) full() bool { return len(b.rows) >= batchRows || len(b.arena) >= batchBytes }

// add adds a row of the pattern with number k and returns what it takes, but for texts that must be looked up.
func (b *batch) add(l *likeness, k int32, s *seeds, ms int64, texts [][]byte, nums []int64) int64 {
	a := &l.alike[k]
	p := a.p
	if a.batch != b.number {
		if a.batch == noBatch {
			b.cost += a.fresh
			b.width += a.width
			b.longer += a.cost + a.fresh
		}
		a.batch, a.local = b.number, uint16(len(b.kinds))
		b.kinds = append(b.kinds, k)
	}
	b.of = append(b.of, a.local)
	b.rows = append(b.rows, batchRow{int32(len(b.texts)), int32(len(b.nums))})
	cost := a.cost
	uses := l.uses[a.uses:][:len(p.texts)]
	for i, k := range p.texts {
		text, u := texts[k], &uses[i]
		t := batchText{from: int32(len(b.arena))}
		b.arena = append(b.arena, text...)
		t.to = int32(len(b.arena))
		n := int64(len(text))
		if u.coded > 0 {
			t.hash = s.hash(text)
			b.cost += int64(u.coded) * (wordCost + n)
			b.width += int64(u.most) * (lengthBytes + n)
		}
		cost += int64(u.plain) * (lengthBytes + n)
		b.longer += int64(u.coded+u.plain) * n
		b.texts = append(b.texts, t)
	}
	for _, k := range p.nums {
		if k == timeOfEvent {
			b.nums = append(b.nums, ms)
		} else {
			b.nums = append(b.nums, nums[k])
		}
	}
	return cost
}

// drop forgets the rows.
func (b *batch) drop() {
	b.number++
	b.kinds, b.of, b.rows, b.texts, b.nums = b.kinds[:0], b.of[:0], b.rows[:0], b.texts[:0], b.nums[:0]
	if b.arena = b.arena[:0]; cap(b.arena) > 4*batchBytes {
		b.arena = nil
	}
	b.cost, b.width, b.longer = 0, 0, 0
}

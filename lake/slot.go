package lake

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"

	"wazuh-security-lake/lake/zstdpage"
	"wazuh-security-lake/ocsf"
)

// slot is one column of the stage as the library sees it: a type whose column buffer, page and dictionary are ours, so
// that a page goes to the library as a whole instead of value by value, which is most of what writing used to cost.
//
// The library does everything else: page headers, checksums, compression, dictionary pages, indexes, statistics, footer.
// To it a slot is a required column, which has no levels; so the page's bytes, which it asks the type for (Encode),
// begin with the levels, each kind with its length in 4 bytes before it, as data pages of version 1 have them. Levels and
// numbers of words are encoded by appendLevels and appendRefs, the rest is PLAIN.
type slot struct {
	parquet.Type // order and kind of the values, and the indexer of their bounds
	kind         ocsf.Kind
	coded        bool
	bounded      bool
	maxDef       uint8
	maxRep       uint8
	page         page
	words        words
	codec        *codec
	texts        zstdpage.Kind // how they repeat
}

// page is one data page. Its slices belong to the row group that is being written.
type page struct {
	rows   int
	levels []byte  // repetition above definition
	nums   []int64 // values of a column of numbers
	refs   []int32 // numbers of words
	text   []byte  // texts, PLAIN
	min    parquet.Value
	max    parquet.Value
	nulls  int
	bounds bool
}

// words are a dictionary: one of the two.
type words struct {
	texts []byte // PLAIN
	nums  []int64
	n     int
}

func (t *slot) clear() {
	t.page, t.words = page{}, words{nums: t.words.nums[:0]}
	t.texts = zstdpage.Words
}

// The library makes one buffer and one dictionary for each column from its type.

func (t *slot) NewColumnBuffer(int, int) parquet.ColumnBuffer { return &slotBuffer{slot: t} }
func (t *slot) NewDictionary(int, int, encoding.Values) parquet.Dictionary {
	return &slotDictionary{slot: t}
}

// Encode returns the bytes of the page at hand, in memory of the codec: what the library offers is let go at each garbage
// collection.
func (t *slot) Encode(_ []byte, _ encoding.Values, _ encoding.Encoding) ([]byte, error) {
	t.codec.page = t.appendPage(t.codec.page[:0])
	return t.codec.page, nil
}

func (t *slot) appendPage(dst []byte) []byte {
	p := &t.page
	if t.maxRep > 0 {
		dst = t.appendLevels(dst, repShift, t.maxRep)
	}
	dst = t.appendLevels(dst, 0, t.maxDef)
	switch {
	case t.coded:
		width := t.refWidth()
		return appendRefs(append(dst, byte(width)), p.refs, width)
	case t.kind == ocsf.KindString:
		t.codec.rest = t.texts
		return append(dst, p.text...)
	}
	t.codec.rest = kindOfNumbers(t.kind)
	return appendNumbers(dst, t.kind, p.nums)
}

// appendLevels appends levels as a data page has them, to be compressed by themselves.
func (t *slot) appendLevels(dst []byte, shift int, most uint8) []byte {
	at := len(dst)
	dst = appendLevels(append(dst, 0, 0, 0, 0), t.page.levels, shift, bits.Len8(most))
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-lengthBytes))
	t.codec.cut(len(dst))
	return dst
}

// refWidth is how many bits the numbers of words take in the page at hand: as few as can be, or whole bytes where those
// would compress better.
func (t *slot) refWidth() int {
	narrow := bits.Len(uint(max(t.words.n-1, 0)))
	wide := (narrow + 7) &^ 7
	if narrow <= 1 || narrow == wide {
		return narrow
	}
	if t.codec.scratch = packRefs(t.codec.scratch[:0], t.page.refs, narrow); len(t.codec.scratch) < leastWide {
		return narrow
	}
	least := entropy(t.codec.scratch)
	if t.codec.scratch = packRefs(t.codec.scratch[:0], t.page.refs, wide); entropy(t.codec.scratch) < least*wideGain {
		return wide
	}
	return narrow
}

// leastWide is the size of packed numbers from which on their width is chosen.
const leastWide = 256

// wideGain is what whole bytes have to gain: more bytes to look at are not for nothing.
const wideGain = 0.98

// kindOfNumbers is how numbers, PLAIN, repeat.
func kindOfNumbers(kind ocsf.Kind) zstdpage.Kind {
	if kind == ocsf.KindInt || kind == ocsf.KindBool {
		return zstdpage.Bytes
	}
	return zstdpage.Longs
}

// appendNumbers appends numbers, booleans or the bits of floats, PLAIN.
func appendNumbers(dst []byte, kind ocsf.Kind, nums []int64) []byte {
	switch kind {
	case ocsf.KindInt:
		for _, n := range nums {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
		}
	case ocsf.KindBool:
		for i := 0; i < len(nums); i += 8 {
			b := byte(0)
			for j, n := range nums[i:min(i+8, len(nums))] {
				if n != 0 {
					b |= 1 << j
				}
			}
			dst = append(dst, b)
		}
	default:
		for _, n := range nums {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(n))
		}
	}
	return dst
}

// slotBuffer holds the page at hand. What a ColumnBuffer can do beyond that, nobody asks of it.
type slotBuffer struct {
	parquet.ColumnBuffer
	slot *slot
}

func (b *slotBuffer) Len() int                                 { return b.slot.page.rows }
func (b *slotBuffer) Reset()                                   { b.slot.page = page{} }
func (b *slotBuffer) Page() parquet.Page                       { return &slotPage{slot: b.slot} }
func (b *slotBuffer) WriteValues([]parquet.Value) (int, error) { return 0, nil }

// Size is beyond every limit as long as there is a page: it is always written at once.
func (b *slotBuffer) Size() int64 {
	if b.slot.page.rows == 0 {
		return 0
	}
	return math.MaxInt64
}

// slotPage is the page at hand for the library to write.
type slotPage struct {
	parquet.Page
	slot *slot
}

func (p *slotPage) Type() parquet.Type             { return p.slot }
func (p *slotPage) Dictionary() parquet.Dictionary { return nil } // only filters, which we have none of, ask for it
func (p *slotPage) NumRows() int64                 { return int64(p.slot.page.rows) }
func (p *slotPage) NumValues() int64               { return int64(len(p.slot.page.levels)) }
func (p *slotPage) NumNulls() int64                { return int64(p.slot.page.nulls) }
func (p *slotPage) RepetitionLevels() []byte       { return nil } // they are in the bytes: see slot
func (p *slotPage) DefinitionLevels() []byte       { return nil }
func (p *slotPage) Data() encoding.Values          { return encoding.Values{} }
func (p *slotPage) Bounds() (min, max parquet.Value, ok bool) {
	return p.slot.page.min, p.slot.page.max, p.slot.page.bounds
}

// slotDictionary is the dictionary of a slot for the library to write.
type slotDictionary struct {
	parquet.Dictionary
	slot *slot
}

func (d *slotDictionary) Type() parquet.Type { return d.slot }
func (d *slotDictionary) Len() int           { return d.slot.words.n }
func (d *slotDictionary) Size() int64        { return int64(len(d.slot.words.texts)) }
func (d *slotDictionary) Reset()             {}
func (d *slotDictionary) Page() parquet.Page { return &wordsPage{words: wordsType{slot: d.slot}} }

type wordsPage struct {
	parquet.Page
	words wordsType
}

func (p *wordsPage) Type() parquet.Type    { return p.words }
func (p *wordsPage) Data() encoding.Values { return encoding.Values{} }

// wordsType encodes the dictionary of a slot.
type wordsType struct {
	parquet.Type
	slot *slot
}

func (t wordsType) Encode(_ []byte, _ encoding.Values, _ encoding.Encoding) ([]byte, error) {
	c := t.slot.codec
	if t.slot.kind == ocsf.KindString {
		c.page = append(c.page[:0], t.slot.words.texts...)
		c.rest = zstdpage.Words
	} else {
		c.rest = kindOfNumbers(t.slot.kind)
		c.page = appendNumbers(c.page[:0], t.slot.kind, t.slot.words.nums)
	}
	return c.page, nil
}

// Package zstdpage compresses the pages of a Parquet file to zstd frames (RFC 8878, https://www.rfc-editor.org/rfc/rfc8878).
//
// A general encoder looks at every byte for what came before. The writer of a column knows better where to look: texts of
// logs repeat from the beginnings of words on, identifiers and times resemble the one before them, levels neither. Looking only
// there, with tables that stay in the cache, takes a fraction of the time of an encoder that finds as much: see find.go. The rest
// is the format. Decoding is the library's, and so is the code for literals (huff0).
package zstdpage

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
)

// Kind is how the bytes of a part of a page repeat. It changes how well and how fast they are compressed, nothing else.
type Kind uint8

const (
	// Bytes may repeat from any byte on: levels, numbers of words.
	Bytes Kind = iota
	// Words are texts: what repeats in them begins where a word begins or ends.
	Words
	// Records are texts in Parquet's PLAIN encoding, each with its length in 4 bytes before it, that resemble the one before:
	// identifiers, times.
	Records
	// Longs are numbers of 8 bytes that resemble the one before.
	Longs
)

// Part is a part of a page that has statistics of its own.
type Part struct {
	End  int // behind its last byte, counted from the beginning of the page
	Kind Kind
}

// Encoder compresses one page after the other. The zero Encoder is ready. It keeps some 600 KB of memory and is not safe for
// concurrent use.
type Encoder struct {
	src []byte // the page
	// Of the block at hand.
	sequences []sequence
	literals  []byte

	recent [3]uint32 // the last three distances, see RFC 8878 3.1.1.5
	places places
	record record

	huffman                  huff0.Scratch
	literal, match, distance table
}

const (
	magic = 0xFD2FB528
	// maxBlock is the most that a block may hold, RFC 8878 3.1.1.2.
	maxBlock = 128 << 10
)

// Append appends a frame of src to dst and returns it. The last part of parts ends where src does. The frame depends on src and
// parts only.
func (e *Encoder) Append(dst, src []byte, parts ...Part) []byte {
	dst = appendFrameHeader(dst, len(src))
	e.src, e.recent = src, [3]uint32{1, 4, 8}
	e.places.reset(len(src))
	from := 0
	for _, p := range parts {
		e.record = record{start: from, next: from}
		for from < p.End {
			to := min(from+maxBlock, p.End)
			dst = e.appendBlock(dst, from, to, p.Kind, to == len(src))
			from = to
		}
	}
	if len(src) == 0 {
		dst = appendBlockHeader(dst, blockRaw, 0, true)
	}
	e.src = nil
	return dst
}

// appendFrameHeader writes magic number and size: one segment, no checksum (pages have their own), no dictionary.
func appendFrameHeader(dst []byte, size int) []byte {
	const oneSegment = 1 << 5
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	switch {
	case size < 256:
		return append(dst, oneSegment, byte(size))
	case size < 256+1<<16:
		return binary.LittleEndian.AppendUint16(append(dst, oneSegment|1<<6), uint16(size-256))
	}
	return binary.LittleEndian.AppendUint32(append(dst, oneSegment|2<<6), uint32(size))
}

// Block types, RFC 8878 3.1.1.2.2.
const (
	blockRaw = iota
	blockRun
	blockCompressed
)

const blockHeader = 3

func appendBlockHeader(dst []byte, kind, size int, last bool) []byte {
	v := size<<3 | kind<<1
	if last {
		v |= 1
	}
	return append(dst, byte(v), byte(v>>8), byte(v>>16))
}

// appendBlock appends a block of e.src[from:to].
func (e *Encoder) appendBlock(dst []byte, from, to int, kind Kind, last bool) []byte {
	block := e.src[from:to]
	if run(block) {
		return append(appendBlockHeader(dst, blockRun, len(block), last), block[0])
	}
	recent, at := e.recent, len(dst)
	e.sequences, e.literals = e.sequences[:0], e.literals[:0]
	switch kind {
	case Words:
		e.findWords(from, to)
	case Records:
		e.findRecords(from, to)
	case Longs:
		e.findLongs(from, to)
	default:
		e.findBytes(from, to)
	}
	dst = append(dst, make([]byte, blockHeader)...)
	dst = e.appendLiterals(dst)
	dst = e.appendSequences(dst)
	size := len(dst) - at - blockHeader
	if size >= len(block) {
		e.recent = recent // the decoder does not see the sequences
		return append(appendBlockHeader(dst[:at], blockRaw, len(block), last), block...)
	}
	appendBlockHeader(dst[:at], blockCompressed, size, last)
	return dst
}

// run reports whether all bytes are the same.
func run(b []byte) bool {
	for _, c := range b {
		if c != b[0] {
			return false
		}
	}
	return true
}

// Types of a literals section, RFC 8878 3.1.1.3.1.1.
const (
	literalsRaw = iota
	literalsRun
	literalsCompressed
)

const (
	fewLiterals = 32   // are not worth a code
	oneStream   = 1024 // more are written in four streams, which readers decode side by side
)

// appendLiterals appends the literals section.
func (e *Encoder) appendLiterals(dst []byte) []byte {
	n := len(e.literals)
	if n < fewLiterals {
		return append(appendLiteralsHeader(dst, literalsRaw, n), e.literals...)
	}
	e.huffman.Reuse = huff0.ReusePolicyNone
	compress, format := huff0.Compress4X, uint64(1)
	if n < oneStream {
		compress, format = huff0.Compress1X, 0
	}
	coded, _, err := compress(e.literals, &e.huffman)
	switch {
	case err == huff0.ErrUseRLE:
		return append(appendLiteralsHeader(dst, literalsRun, n), e.literals[0])
	case err != nil || len(coded) >= n: // not compressible
		return append(appendLiteralsHeader(dst, literalsRaw, n), e.literals...)
	}
	// Both sizes, in as many bits as they take.
	width, bytes := 10, 3
	switch {
	case n >= 1<<14:
		format, width, bytes = 3, 18, 5
	case n >= 1<<10:
		format, width, bytes = 2, 14, 4
	}
	header := literalsCompressed | format<<2 | uint64(n)<<4 | uint64(len(coded))<<(4+width)
	for range bytes {
		dst = append(dst, byte(header))
		header >>= 8
	}
	return append(dst, coded...)
}

// appendLiteralsHeader is for literals that are not compressed.
func appendLiteralsHeader(dst []byte, kind, n int) []byte {
	switch {
	case n < 1<<5:
		return append(dst, byte(kind|n<<3))
	case n < 1<<12:
		return binary.LittleEndian.AppendUint16(dst, uint16(kind|1<<2|n<<4))
	}
	v := kind | 3<<2 | n<<4
	return append(dst, byte(v), byte(v>>8), byte(v>>16))
}

package zstdpage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var kinds = []Kind{Bytes, Words, Records, Longs}

// decoder is the judge: a decoder that has nothing in common with the encoder. test/e2e has another one, DuckDB's.
func decoder(t testing.TB) *zstd.Decoder {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// comesBack compresses src and has it decoded.
func comesBack(t testing.TB, e *Encoder, d *zstd.Decoder, src []byte, parts ...Part) []byte {
	t.Helper()
	before := bytes.Clone(src)
	frame := e.Append([]byte("before"), src, parts...)
	if !bytes.HasPrefix(frame, []byte("before")) || !bytes.Equal(src, before) {
		t.Fatal("dst or src was changed")
	}
	frame = frame[len("before"):]
	got, err := d.DecodeAll(frame, nil)
	if err != nil {
		t.Fatalf("%d bytes in parts %v: %v", len(src), parts, err)
	}
	if !bytes.Equal(got, src) {
		t.Fatalf("%d bytes in parts %v do not come back", len(src), parts)
	}
	var h zstd.Header
	if err := h.Decode(frame); err != nil || !h.HasFCS || h.FrameContentSize != uint64(len(src)) || !h.SingleSegment {
		t.Fatalf("the header of a frame of %d bytes says %+v: %v", len(src), h, err)
	}
	return frame
}

// plain returns texts as a PLAIN page has them.
func plain(texts ...string) (page []byte) {
	for _, s := range texts {
		page = binary.LittleEndian.AppendUint32(page, uint32(len(s)))
		page = append(page, s...)
	}
	return page
}

// pages are what columns are made of, and what they are not, of about n bytes each.
func pages(n int) map[string][]byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	p := make(map[string][]byte)
	add := func(name string, more func(i int) []byte) {
		var b []byte
		for i := 0; len(b) < n; i++ {
			b = append(b, more(i)...)
		}
		p[name] = b[:n]
	}
	add("one byte", func(int) []byte { return []byte{'a'} })
	add("chance", func(int) []byte { return []byte{byte(r.Uint32())} })
	add("sparse bits", func(int) []byte { return []byte{byte(r.Uint32() & r.Uint32() & r.Uint32() & r.Uint32())} })
	add("runs", func(int) []byte { return bytes.Repeat([]byte{byte(r.IntN(3))}, 1+r.IntN(300)) })
	add("logs", func(i int) []byte {
		switch r.IntN(3) {
		case 0:
			return plain(fmt.Sprintf("Mar 14 00:%02d:%02d dns-%03d sshd[%d]: Failed password for root from 10.%d.%d.7 port %d ssh2",
				i/60%60, i%60, r.IntN(99), r.IntN(40000), r.IntN(255), r.IntN(255), r.IntN(65535)))
		case 1:
			return plain(fmt.Sprintf(`{"audit":{"id":"%d","exe":"/usr/bin/%x","success":"yes"}}`, i, r.IntN(50)))
		}
		return plain(fmt.Sprintf("type=SYSCALL a0=%x comm=\"curl\" auid=%d", r.Uint64(), r.IntN(2000)))
	})
	add("ids", func(i int) []byte { return plain(fmt.Sprintf("1773446%03d.%d", i/4%1000, 7*i)) })
	add("uuids", func(int) []byte {
		return plain(fmt.Sprintf("%08x-%04x-5%03x-9%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Uint64N(1<<48)))
	})
	add("lengths that lie", func(i int) []byte { return binary.LittleEndian.AppendUint32(nil, r.Uint32()>>r.IntN(32)) })
	at := int64(1773446400000)
	add("times", func(int) []byte { at += int64(r.IntN(900)); return binary.LittleEndian.AppendUint64(nil, uint64(at)) })
	long := make([]byte, 100<<10)
	for i := range long {
		long[i] = "0123456789abcdef"[r.IntN(16)]
	}
	add("long copies of chance", func(i int) []byte { return append(long, byte(i)) })
	add("every length", func(i int) []byte { return append(bytes.Clone(long[i%7:i%7+3+i%400]), long[r.IntN(9000):][:i%300]...) })
	return p
}

func TestFramesComeBack(t *testing.T) {
	var e Encoder
	d := decoder(t)
	for _, n := range []int{0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 255, 256, 257, 1023, 1024, 5000, 16383, 16384, 65535, 65791, 65792,
		maxBlock - 1, maxBlock, maxBlock + 1, 400_000, 1<<20 - 1, 1 << 20, 1<<20 + 1, 2_500_000} {
		for name, src := range pages(n) {
			t.Run(fmt.Sprint(name, "/", n), func(t *testing.T) {
				for _, k := range kinds {
					comesBack(t, &e, d, src, Part{n, k})
					comesBack(t, &e, d, src, Part{n / 3, Bytes}, Part{n / 3, Words}, Part{n / 2, Records}, Part{n, k})
				}
			})
		}
	}
}

// Tables of every shape: few codes and many, even and uneven, at all numbers of sequences.
func TestTablesComeBack(t *testing.T) {
	d := decoder(t)
	var e Encoder
	r := rand.New(rand.NewPCG(3, 3))
	for round := range 3000 {
		var src []byte
		spread := 1 + r.IntN(1+round%60)
		for range 1 + r.IntN(1+round) {
			// Literals and a copy, of lengths that are mostly short.
			for range r.IntN(1 + r.IntN(spread)) {
				src = append(src, byte(r.Uint32()))
			}
			if n := 8 + r.IntN(1+r.IntN(spread*spread)); len(src) > n {
				from := r.IntN(len(src) - n)
				src = append(src, src[from:from+n]...)
			}
		}
		comesBack(t, &e, d, src, Part{len(src), kinds[round%len(kinds)]})
	}
}

// More sequences than any search finds in a block: their number is written in another way from 128 on, and from 0x7F00 on.
func TestNumberOfSequences(t *testing.T) {
	d := decoder(t)
	for _, n := range []int{1, 127, 128, 129, 0x7EFF, 0x7F00, 0x7F01, 43000} {
		src := bytes.Repeat([]byte{'a'}, 2+minMatch*n)
		src[1] = 'b'
		copy(src[2:], bytes.Repeat([]byte("aba"), n)) // three bytes from two or three bytes before
		e := Encoder{src: src, recent: [3]uint32{1, 4, 8}}
		at, literal := 2, 0
		for range n {
			distance := 2
			for !bytes.Equal(src[at:at+minMatch], src[at-distance:][:minMatch]) {
				distance++
				if distance > at {
					t.Fatal("nothing to copy")
				}
			}
			e.copy(literal, at, minMatch, distance)
			at += minMatch
			literal = at
		}
		e.addLiterals(literal, len(src))
		frame := appendFrameHeader(nil, len(src))
		body := e.appendSequences(e.appendLiterals(nil))
		frame = append(appendBlockHeader(frame, blockCompressed, len(body), true), body...)
		if got, err := d.DecodeAll(frame, nil); err != nil || !bytes.Equal(got, src) {
			t.Errorf("%d sequences do not come back: %v", n, err)
		}
	}
}

// A page of more than a MiB, which is one text at least, finds what repeats up to its end.
func TestLongPage(t *testing.T) {
	var e Encoder
	logs := pages(3 << 20)["logs"]
	parts := 0
	for i := range 3 {
		parts += len(e.Append(nil, logs[i<<20:(i+1)<<20], Part{1 << 20, Words}))
	}
	if got := len(e.Append(nil, logs, Part{len(logs), Words})); got > parts*102/100 {
		t.Errorf("%d bytes, its parts together %d", got, parts)
	}
}

// What scale makes of counts must be a power of two and leave no code out, or readers refuse the page.
func TestScale(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 20_000 {
		occurs := make([]uint32, 1+r.IntN(53))
		n := uint64(0)
		for i := range occurs {
			if r.IntN(3) > 0 {
				occurs[i] = 1 + r.Uint32()>>(8+r.IntN(24))
			}
			n += uint64(occurs[i])
		}
		if n == 0 {
			continue
		}
		for log := uint8(6); log <= 9; log++ {
			c := make(counts, len(occurs))
			c.scale(occurs, n, log)
			sum := 0
			for i, v := range c {
				if (v > 0) != (occurs[i] > 0) || v < 0 {
					t.Fatalf("%v of %v: code %d", c, occurs, i)
				}
				sum += int(v)
			}
			if sum != 1<<log {
				t.Fatalf("%v of %v: sum %d instead of %d", c, occurs, sum, 1<<log)
			}
		}
	}
}

// A page is the same bytes whatever was compressed before it, and memory is used again.
func TestEncoderIsReused(t *testing.T) {
	var used Encoder
	for name, src := range pages(300_000) {
		for _, k := range kinds {
			got := used.Append(nil, src, Part{1000, Bytes}, Part{len(src), k})
			if want := new(Encoder).Append(nil, src, Part{1000, Bytes}, Part{len(src), k}); !bytes.Equal(got, want) {
				t.Errorf("%s as kind %d: another frame by an encoder that was used", name, k)
			}
		}
	}
	logs := pages(300_000)["logs"]
	var dst []byte
	if n := testing.AllocsPerRun(10, func() { dst = used.Append(dst[:0], logs, Part{len(logs), Words}) }); n > 0 {
		t.Errorf("%v allocations for a page", n)
	}
}

// What the kinds are for: each is smaller than the library's encoder of the same speed makes it.
func TestKindsPay(t *testing.T) {
	var e Encoder
	library, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer library.Close()
	all := pages(900_000)
	for name, k := range map[string]Kind{"logs": Words, "ids": Records, "uuids": Records, "times": Longs, "runs": Bytes} {
		got, other := len(e.Append(nil, all[name], Part{len(all[name]), k})), len(library.EncodeAll(all[name], nil))
		t.Logf("%s: %d bytes, the library %d", name, got, other)
		if got > other {
			t.Errorf("%s: %d bytes, the library makes them %d", name, got, other)
		}
	}
}

func FuzzAppend(f *testing.F) {
	for _, src := range pages(3000) {
		f.Add(src, uint16(100), uint8(1), uint8(2))
	}
	f.Add([]byte("abcabcabcabcabcabcabcabc"), uint16(4), uint8(3), uint8(0))
	var e Encoder
	d := decoder(f)
	f.Fuzz(func(t *testing.T, src []byte, cut uint16, first, second uint8) {
		end := min(int(cut), len(src))
		comesBack(t, &e, d, src, Part{end, kinds[int(first)%len(kinds)]}, Part{len(src), kinds[int(second)%len(kinds)]})
		if second < 128 {
			return
		}
		// Longer than a block, with copies from far away.
		far := bytes.Repeat(append(src, byte(cut)), 1+300_000/(len(src)+1)%500)
		comesBack(t, &e, d, far, Part{len(far), kinds[int(first)%len(kinds)]})
	})
}

func BenchmarkAppend(b *testing.B) {
	all := pages(900_000)
	for name, k := range map[string]Kind{"logs": Words, "ids": Records, "uuids": Records, "times": Longs, "sparse bits": Bytes} {
		b.Run(name, func(b *testing.B) {
			var e Encoder
			var dst []byte
			src := all[name]
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				dst = e.Append(dst[:0], src, Part{len(src), k})
			}
			b.ReportMetric(float64(len(src))/float64(len(dst)), "times-smaller")
		})
	}
}

package ocsf

import (
	"bytes"
	"math"
	"strconv"
)

// Num sets a numeric attribute to the number in a leaf, decimal; ports, counts and identifiers must fit their type.
func (o *Object) Num(name string, l *Leaf) bool {
	if l == nil || l.Kind != LeafText && l.Kind != LeafNumber {
		return false
	}
	i := o.free(name, false)
	if i < 0 {
		return false
	}
	t := &o.Type.Attrs[i]
	n, judged := t.number(l.Value)
	if !o.judged(i, n, number{kind: numberOf, leaf: l.Index, attr: t, want: judged}) {
		return false
	}
	if judged == verdictTaken {
		o.claim(i, l)
	}
	return true
}

// Hex sets an integer attribute to the hexadecimal number in a leaf, as Windows writes it. The leaf is not claimed.
func (o *Object) Hex(name string, l *Leaf) bool {
	i := o.free(name, false)
	if i < 0 || l == nil || !l.textual() || o.Type.Attrs[i].Kind != KindInt {
		return false
	}
	n, judged := hexNumber(l.Value)
	return o.judged(i, n, number{kind: numberHex, leaf: l.Index, want: judged})
}

// judged sets a numeric attribute to a number of a leaf unless it was refused; how it came about is for a trace.
func (o *Object) judged(slot int, n int64, from number) bool {
	v := &o.Values[slot]
	if from.want == verdictRefused {
		v = nil
	}
	if o.event.trace != nil {
		o.event.trace.number(from, v)
	}
	if v == nil {
		return false
	}
	o.set(slot).Num = n
	return true
}

// number returns the number in a text as the attribute holds it.
func (t *Attr) number(text []byte) (int64, verdict) {
	lossless := true
	var n int64
	switch t.Kind {
	case KindInt, KindLong:
		var ok bool
		n, ok = parseInt(text)
		if !ok || t.Kind == KindInt && (n < math.MinInt32 || n > math.MaxInt32) || t.port && (n < 0 || n > 65535) {
			return 0, verdictRefused
		}
		lossless = canonicalInt(text)
	case KindFloat:
		f, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return 0, verdictRefused
		}
		n = int64(math.Float64bits(f))
		var buf [32]byte
		lossless = bytes.Equal(strconv.AppendFloat(buf[:0], f, 'f', -1, 64), text)
	default:
		return 0, verdictRefused
	}
	if lossless {
		return n, verdictTaken
	}
	return n, verdictLossy
}

// canonicalInt reports whether a decimal text is what the number would be printed as.
func canonicalInt(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		return len(b) > 1 && b[1] != '0'
	}
	return len(b) == 1 || len(b) > 1 && b[0] != '0'
}

// Int sets a numeric attribute.
func (o *Object) Int(name string, n int64, srcs ...*Leaf) bool {
	i := o.free(name, false)
	if i < 0 {
		return false
	}
	if k := o.Type.Attrs[i].Kind; k != KindInt && k != KindLong || k == KindInt && (n < math.MinInt32 || n > math.MaxInt32) {
		return false
	}
	o.set(i).Num = n
	o.claim(i, srcs...)
	return true
}

// Now sets a timestamp attribute and its *_dt sibling to the time of the event. The leaf is not claimed: the text of a time
// is more than its milliseconds.
func (o *Object) Now(name, dt string) bool {
	if o == nil {
		return false
	}
	return o.instant(name, dt, o.event.Time, number{kind: numberNow})
}

// TimeOf sets a timestamp attribute from a leaf that holds a date and time; where it names no offset, it is shift minutes
// ahead of UTC.
func (o *Object) TimeOf(name, dt string, l *Leaf, shift int64) bool {
	if o == nil || l == nil || !l.textual() {
		return false
	}
	ms, judged := timeOf(l.Value, shift)
	n := number{kind: numberTime, leaf: l.Index, shift: shift, want: judged}
	if judged == verdictRefused {
		if o.event.trace != nil {
			o.event.trace.number(n, nil)
		}
		return false
	}
	return o.instant(name, dt, ms, n)
}

func (o *Object) instant(name, dt string, ms int64, n number) bool {
	i := o.free(name, false)
	if i < 0 || o.Type.Attrs[i].Kind != KindLong {
		return false
	}
	o.set(i).Num = ms
	if o.event.trace != nil {
		o.event.trace.number(n, &o.Values[i])
	}
	if i = o.free(dt, false); i >= 0 && o.Type.Attrs[i].Kind == KindTime {
		o.set(i).Num = ms
		if o.event.trace != nil {
			o.event.trace.number(n, &o.Values[i])
		}
	}
	return true
}

// timeOf reads a date and time.
func timeOf(text []byte, shift int64) (int64, verdict) {
	ms, _, ok := parseTime(text, false)
	if ms -= shift * 60_000; !ok || ms <= earlyTime || ms >= lateTime {
		return 0, verdictRefused
	}
	return ms, verdictTaken
}

// Times out of these bounds would be taken for seconds or microseconds by readers: 1973-03-03 .. 5138-11-16.
const earlyTime, lateTime = 100_000_000_000, 100_000_000_000_000

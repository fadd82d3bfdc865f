package ocsf

import (
	"bytes"
	"time"
)

// replay fills v, whose texts are the values of the varied leaves, from an alert for which plan may hold, and reports
// whether it does. Texts that it makes it leaves in the alert's.
func (m *Mapper) replay(plan *Plan, a *Alert, now time.Time, v *Variables) bool {
	ms, offset, ok := parseTime(v.Texts[plan.stamp], true)
	if !ok || offset != plan.offset || ms < earliest.UnixMilli() || ms > now.Add(maxAhead).UnixMilli() {
		return false
	}
	v.Plan, v.Time = plan, ms
	for i := range plan.sources[:plan.asked] {
		v.Texts = append(v.Texts, m.text(&plan.sources[i], a, v))
	}
	for _, n := range plan.usual {
		if text := v.Texts[n]; len(text) > maxStringChars || blank(text) {
			return false
		}
	}
	for i := range plan.guards {
		if g := &plan.guards[i]; !g.holds(v.Texts) {
			return false
		}
	}
	behind := plan.sources[plan.asked:]
	for i := range behind {
		v.Texts = append(v.Texts, m.text(&behind[i], a, v))
	}
	v.Nums = v.Nums[:0]
	for i := range plan.numbers {
		n, judged := plan.numbers[i].of(v.Texts, ms)
		if judged != plan.numbers[i].want {
			return false
		}
		v.Nums = append(v.Nums, n)
	}
	return true
}

// text makes the text of a source.
func (m *Mapper) text(s *source, a *Alert, v *Variables) []byte {
	switch s.kind {
	case sourceDerived:
		return s.derive.of(v.Texts[s.leaf], int(s.nth))
	case sourceUID:
		return m.appendUUID(a, a.line)
	case sourceLine:
		return a.valid()
	case sourceUUID:
		parts := m.d.texts[:0]
		for i := range s.parts {
			text := s.parts[i].text
			if n := s.parts[i].leaf; n >= 0 {
				text = v.Texts[n]
			}
			parts = append(parts, text)
		}
		m.d.texts = parts
		return m.appendUUID(a, parts...)
	}
	start, text := len(a.text), a.text
	for i := range s.parts {
		p := &s.parts[i]
		text = append(text, p.text...)
		switch {
		case p.leaf < 0:
		case p.json && v.plain[p.leaf]:
			text = append(append(append(text, '"'), v.Texts[p.leaf]...), '"')
		case p.json:
			text = appendString(text, v.Texts[p.leaf])
		default:
			text = append(text, v.Texts[p.leaf]...)
		}
	}
	a.text = text
	return text[start:len(text):len(text)]
}

func (m *Mapper) appendUUID(a *Alert, parts ...[]byte) []byte {
	start := len(a.text)
	a.text = m.uuid(a.text, parts...)
	return a.text[start:len(a.text):len(a.text)]
}

func (g *guard) holds(texts [][]byte) bool {
	text := texts[g.text]
	switch g.kind {
	case guardText:
		return g.attr.verdict(text) == g.want
	case guardAsk:
		return answer(g.ask.of(text)) == g.want
	case guardBlank:
		return answer(blank(text)) == g.want
	}
	other := g.same
	if g.than >= 0 {
		other = texts[g.than]
	}
	return answer(bytes.Equal(text, other)) == g.want
}

// of returns the number in an alert of these texts, whose time is ms.
func (n *number) of(texts [][]byte, ms int64) (int64, verdict) {
	switch n.kind {
	case numberOf:
		return n.attr.number(texts[n.leaf])
	case numberTime:
		return timeOf(texts[n.leaf], n.shift)
	case numberHex:
		return hexNumber(texts[n.leaf])
	case numberParts:
		return 0, verdict(countParts(texts[n.leaf]))
	}
	return ms, n.want
}

package ocsf

import (
	"bytes"
	"net/netip"
)

// A source is where a variable text of a plan comes from: the same way for every alert of the plan. That of a Trace counts the
// leaves of the alert, that of a Plan, which has none of kind sourceLeaf, the varied ones.
type source struct {
	kind   sourceKind
	derive derivation // sourceDerived
	nth    int32      // of several parts
	leaf   int32      // sourceLeaf, sourceDerived
	parts  []part     // sourceJoin: one after the other; sourceUUID: the leaves of the parts
}

type sourceKind uint8

const (
	sourceLeaf    sourceKind = iota + 1 // the value of a leaf
	sourceDerived                       // a part of it
	sourceJoin                          // leaves and texts between them
	sourceUUID                          // the UUIDv5 of some leaves
	sourceUID                           // the UUIDv5 of the line
	sourceLine                          // the line
)

// part is a text, and the value of a leaf behind it.
type part struct {
	text []byte
	leaf int32 // -1: none
	json bool  // as the JSON value it was; in a plan: as a JSON string
}

// leaves calls yield for each leaf the source is made of.
func (s *source) leaves(yield func(leaf int32)) {
	switch s.kind {
	case sourceLeaf, sourceDerived:
		yield(s.leaf)
	case sourceJoin, sourceUUID:
		for i := range s.parts {
			if s.parts[i].leaf >= 0 {
				yield(s.parts[i].leaf)
			}
		}
	}
}

// derivation is a way to take a part out of a text. It looks at nothing but the text.
type derivation uint8

const (
	baseName      derivation = iota // last part of a path
	folderName                      // what is before it
	imageName                       // last part of a path to a program
	accountName                     // name of DOMAIN\name
	accountDomain                   // DOMAIN of it
	fixedVersion                    // 1.2.3 of "Package less than 1.2.3"
	canonicalIP                     // an address in its one canonical form
	listPart                        // one of "a, b, c"
	hashName                        // MD5 of the part MD5=0123 of a list
	hashValue                       // 0123 of it
)

// of returns the part of a text, the n-th if there are several.
func (fn derivation) of(text []byte, n int) []byte {
	switch fn {
	case baseName, folderName:
		folder, name := splitFile(text)
		if len(name) == 0 { // a root directory, or a path that ends in a separator
			folder, name = splitFile(bytes.TrimRight(text, `/\`))
		}
		if fn == folderName {
			return folder
		}
		if blank(name) {
			name = text
		}
		return name
	case imageName:
		_, name := splitFile(text)
		return name
	case accountName:
		return bytes.TrimLeft(text[max(0, bytes.IndexByte(text, '\\')):], `\`)
	case accountDomain:
		return text[:max(0, bytes.IndexByte(text, '\\'))]
	case fixedVersion:
		return bytes.TrimSpace(bytes.TrimPrefix(text, lessThan))
	case canonicalIP:
		return canonicalAddress(nil, text)
	case listPart:
		return nthPart(text, n)
	case hashName, hashValue:
		name, value, ok := bytes.Cut(nthPart(text, n), []byte{'='})
		switch {
		case !ok:
			return nil
		case fn == hashName:
			return name
		}
		return value
	}
	return nil
}

// nthPart returns one of the parts between commas, without blanks around it; parts of blanks do not count.
func nthPart(text []byte, n int) []byte {
	for part := range bytes.SplitSeq(text, []byte{','}) {
		if part = bytes.TrimSpace(part); len(part) == 0 {
			continue
		}
		if n == 0 {
			return part
		}
		n--
	}
	return nil
}

// countParts returns how many parts there are, up to maxParts + 1.
func countParts(text []byte) int {
	n := 0
	for part := range bytes.SplitSeq(text, []byte{','}) {
		if len(bytes.TrimSpace(part)) > 0 {
			if n++; n > maxParts {
				break
			}
		}
	}
	return n
}

// maxParts bounds how often a list is read from its beginning.
const maxParts = 32

// lessThan is how the vulnerability scanner says where a package is fixed.
var lessThan = []byte("Package less than ")

// predicate is a question about a text that the mapping asks to decide what to do. It looks at nothing but the text.
type predicate uint8

const (
	isManager      predicate = iota // the id of the agent that is the manager itself
	isIP                            // a bare address
	isAddress                       // an address, or one with a port
	isWithPort                      // an address with a port
	isParsed                        // an address that canonicalIP can read
	isCanonical                     // an address that is written as canonicalIP writes it
	isLogon                         // the number of a logon event of Windows
	isRootcheckLog                  // where rootcheck says its alerts are from
	isLocal                         // what Windows writes for a logon at the console
	isRegistry                      // a key of the Windows registry
	isFilePath                      // a path of Windows
	isAccount                       // DOMAIN\name
	isURL                           // a whole URL rather than its path
	isList                          // several parts with commas between them, or blanks around the one
	isFixed                         // see fixedVersion
	isHugeCount                     // a number that is too large for a count
	isLong                          // longer than an observable may be
	isText                          // not blank
	isHost                          // a host name
	isEmail                         // an address for mail
	isUnassigned                    // the number of a user or session that the kernel has not assigned
)

func (p predicate) of(text []byte) bool {
	switch p {
	case isManager:
		return string(text) == "000"
	case isIP:
		return ValidIP(text)
	case isAddress:
		return ValidIP(text) || isWithPort.of(text)
	case isWithPort:
		_, _, ok := splitPort(text)
		return ok
	case isParsed:
		_, err := netip.ParseAddr(string(text))
		return err == nil
	case isCanonical:
		var buf [64]byte
		return bytes.Equal(canonicalAddress(buf[:0], text), text)
	case isLogon:
		return logonEvent(text)
	case isRootcheckLog:
		return string(text) == "rootcheck"
	case isLocal:
		return foldAny(text, "LOCAL", "localhost")
	case isRegistry:
		return bytes.HasPrefix(text, []byte("HKEY_"))
	case isFilePath:
		return bytes.IndexByte(text, '\\') >= 0
	case isAccount:
		return bytes.IndexByte(text, '\\') > 0
	case isURL:
		return bytes.Contains(text, []byte("://")) || len(text) > 0 && text[0] != '/'
	case isList:
		return bytes.IndexByte(text, ',') >= 0 || len(bytes.TrimSpace(text)) < len(text)
	case isFixed:
		return bytes.HasPrefix(text, lessThan) && !bytes.HasPrefix(text[len(lessThan):], []byte("or equal"))
	case isHugeCount:
		n, ok := parseInt(text)
		return ok && n > maxCount
	case isLong:
		return len(text) > maxStringChars
	case isText:
		return !blank(text)
	case isHost:
		return ValidHostname(text)
	case isEmail:
		return ValidEmail(text)
	case isUnassigned:
		return string(text) == "4294967295" || string(text) == "-1" || string(text) == "unset" || string(text) == "?"
	}
	return false
}

// derive returns a part of the text of a leaf, nil if it has none. Unlike a part that the caller takes out of Text, it may
// differ from alert to alert of a plan.
func (e *Event) derive(fn derivation, l *Leaf) []byte { return e.deriveNth(fn, 0, l) }

func (e *Event) deriveNth(fn derivation, n int, l *Leaf) []byte {
	if !l.Present() {
		return nil
	}
	text := fn.of(l.Value, n)
	if e.trace != nil {
		text = e.trace.made(source{kind: sourceDerived, derive: fn, nth: int32(n), leaf: l.Index}, bytes.Clone(text))
	}
	return text
}

// parts returns how many parts between commas the text of a leaf has; more than maxParts count as one more.
func (e *Event) parts(l *Leaf) int {
	if !l.Present() {
		return 0
	}
	n := countParts(l.Value)
	if e.trace != nil {
		e.trace.number(number{kind: numberParts, leaf: l.Index, want: verdict(n)}, nil)
	}
	return n
}

// exactly returns a text, on which a plan then depends: what was derived and has to be looked at.
func (e *Event) exactly(text []byte) []byte {
	if e.trace != nil {
		same := bytes.Clone(text)
		e.trace.compare(text, same, true)
		return same
	}
	return text
}

// holds reports whether the leaf is there and its text is of a kind. Unlike the answers of Leaf's own methods, a plan needs
// but the same answer, not the same text.
func (e *Event) holds(p predicate, l *Leaf) bool { return leafHolds(e.trace, p, l) }

// holds is Event.holds for what is asked before there is an event.
func (a *Alert) holds(p predicate, l *Leaf) bool { return leafHolds(a.trace, p, l) }

func leafHolds(t *Trace, p predicate, l *Leaf) bool {
	if l == nil || !l.textual() {
		return false
	}
	yes := p.of(l.Value)
	if t != nil {
		t.ask(p, l.Value, yes)
	}
	return yes
}

// suits reports whether a text of the event is of a kind.
func (e *Event) suits(p predicate, text []byte) bool {
	yes := p.of(text)
	if e.trace != nil {
		e.trace.ask(p, text, yes)
	}
	return yes
}

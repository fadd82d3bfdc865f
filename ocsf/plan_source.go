package ocsf

import "bytes"

// A source is where a variable text of a plan comes from: the same way for every alert of the plan.
type source struct {
	kind   sourceKind
	derive derivation // sourceDerived
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
	json bool  // as the JSON value it was
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
	derivations
)

func (fn derivation) of(text []byte) []byte {
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
	}
	return nil
}

// lessThan is how the vulnerability scanner says where a package is fixed.
var lessThan = []byte("Package less than ")

// predicate is a question about a text that the mapping asks to decide what to do. It looks at nothing but the text.
type predicate uint8

const (
	isManager   predicate = iota // the id of the agent that is the manager itself
	isIP                         // a bare address
	isAddress                    // an address, or one with a port
	isLocal                      // what Windows writes for a logon at the console
	isRegistry                   // a key of the Windows registry
	isFilePath                   // a path of Windows
	isAccount                    // DOMAIN\name
	isURL                        // a whole URL rather than its path
	isList                       // several parts with commas between them, or blanks around the one
	isFixed                      // see fixedVersion
	isHugeCount                  // a number that is too large for a count
	isLong                       // longer than an observable may be
	isText                       // not blank
	isHost                       // a host name
	isEmail                      // an address for mail
	predicates
)

func (p predicate) of(text []byte) bool {
	switch p {
	case isManager:
		return string(text) == "000"
	case isIP:
		return ValidIP(text)
	case isAddress:
		if len(text) == 0 {
			return false
		}
		_, _, ok := splitPort(text)
		return ok || ValidIP(text)
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
		return bytes.HasPrefix(text, lessThan)
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
	}
	return false
}

// derive returns a part of the text of a leaf, nil if it has none. Unlike a part that the caller takes out of Text, it may
// differ from alert to alert of a plan.
func (e *Event) derive(fn derivation, l *Leaf) []byte {
	if !l.Present() {
		return nil
	}
	text := fn.of(l.Value)
	if e.trace != nil {
		text = e.trace.made(source{kind: sourceDerived, derive: fn, leaf: l.Index}, bytes.Clone(text))
	}
	return text
}

// holds reports whether the leaf is there and its text is of a kind. Unlike the answers of Leaf's own methods, a plan needs
// but the same answer, not the same text.
func (e *Event) holds(p predicate, l *Leaf) bool {
	if l == nil || !l.textual() {
		return false
	}
	yes := p.of(l.Value)
	if e.trace != nil {
		e.trace.ask(p, l.Value, yes)
	}
	return yes
}

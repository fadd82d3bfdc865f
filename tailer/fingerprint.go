package tailer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

const (
	headLen = 1 << 10 // most bytes of the first line that Head covers
	tailLen = 4 << 10 // most bytes before the offset that Tail covers
)

func fingerprint(b []byte) Fingerprint {
	if len(b) == 0 {
		return Fingerprint{}
	}
	sum := sha256.Sum256(b)
	return Fingerprint{Len: len(b), Hash: hex.EncodeToString(sum[:16])}
}

// headOf is the fingerprint of the first line in content, newline included, or of its first KiB. It is empty while the
// first line is not whole: the fingerprint of half a line would not match once the other half is there.
func headOf(content []byte) Fingerprint {
	content = content[:min(len(content), headLen)]
	if i := bytes.IndexByte(content, '\n'); i >= 0 {
		return fingerprint(content[:i+1])
	}
	if len(content) < headLen {
		return Fingerprint{}
	}
	return fingerprint(content)
}

// begins reports whether content starts with the bytes f was made of.
func (f Fingerprint) begins(content []byte) bool {
	return f.Len > 0 && len(content) >= f.Len && fingerprint(content[:f.Len]) == f
}

// ends reports whether content ends with the bytes f was made of.
func (f Fingerprint) ends(content []byte) bool {
	return f.Len > 0 && len(content) >= f.Len && fingerprint(content[len(content)-f.Len:]) == f
}

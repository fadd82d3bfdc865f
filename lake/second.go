package lake

import (
	"fmt"
	"regexp"
	"strings"
)

var copyPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,240}\.json\.gz$`)

// CopyKey returns the key of an object of the second copy (copy.ocsf_json): the partition layout of the lake, below an
// optional prefix of the copy's own bucket. As in Contract.Key every part is checked and none is escaped.
func CopyKey(prefix string, p Partition, name string) (string, error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	if !copyPattern.MatchString(name) || dotted(name) {
		return "", fmt.Errorf("object name %q is not <letters, digits, . _ ->.json.gz", name)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		for part := range strings.SplitSeq(prefix, "/") {
			if !segmentPattern.MatchString(part) || dotted(part) {
				return "", fmt.Errorf("prefix %q holds the segment %q, which a key must not have", prefix, part)
			}
		}
		prefix += "/"
	}
	return prefix + "ext/" + p.Source + "/" + p.path() + name, nil
}

// CopyName is ObjectName for an object of the second copy.
func CopyName(node, instance string, seq uint64, n int, sha256 [32]byte) (string, error) {
	return objectName(node, instance, seq, n, sha256, ".json.gz")
}

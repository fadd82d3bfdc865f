package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"wazuh-security-lake/tailer"
)

// content is what one pass over a file finds out.
type content struct {
	size    int64
	lines   []int64 // between two bounds each
	bounds  []int64 // rising, 0 first, the size last; none beyond the size
	sum     string  // SHA-256 of all of it
	damaged bool    // the archive does not decompress behind size
}

// scan reads a file once, counts the lines that begin between the bounds given, and hashes it, alone and into chain. Of a
// file that is being written it takes what is there when it comes to the end. It needs one buffer of memory.
func scan(ctx context.Context, path string, bounds []int64, chain hash.Hash) (content, error) {
	c := content{}
	r, err := tailer.OpenContent(path)
	if err != nil {
		if errors.Is(err, tailer.ErrDamaged) {
			return content{damaged: true, bounds: []int64{0}}, nil
		}
		return c, err
	}
	defer r.Close() //nolint:errcheck // only read
	bounds = slices.Clone(bounds)
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	next := 0
	for next < len(bounds) && bounds[next] <= 0 {
		next++
	}
	c.bounds = []int64{0}
	sum := sha256.New()
	buf := make([]byte, 256<<10)
	lines, fresh := int64(0), true // fresh: the next byte begins a line
	for {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		n, err := r.Read(buf)
		p := buf[:n]
		sum.Write(p)
		if chain != nil {
			chain.Write(p)
		}
		for len(p) > 0 {
			part := p
			if next < len(bounds) && bounds[next]-c.size < int64(len(p)) {
				part = p[:bounds[next]-c.size]
			}
			lines += begun(part, &fresh)
			c.size += int64(len(part))
			p = p[len(part):]
			if next < len(bounds) && c.size == bounds[next] {
				c.bounds, c.lines = append(c.bounds, c.size), append(c.lines, lines)
				lines = 0
				next++
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, tailer.ErrDamaged) {
			c.damaged = true
			break
		}
		if err != nil {
			return c, err
		}
	}
	if c.bounds[len(c.bounds)-1] != c.size {
		c.bounds, c.lines = append(c.bounds, c.size), append(c.lines, lines)
	}
	c.sum = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

// begun counts the lines that begin in p.
func begun(p []byte, fresh *bool) int64 {
	var n int64
	for len(p) > 0 {
		if *fresh {
			n++
			*fresh = false
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		p = p[i+1:]
		*fresh = true
	}
	return n
}

// count is the number of lines between two bounds of the scan.
func (c *content) count(from, to int64) int64 {
	var n int64
	for i := range c.lines {
		if c.bounds[i] >= from && c.bounds[i+1] <= to {
			n += c.lines[i]
		}
	}
	return n
}

var sha256Line = regexp.MustCompile(`SHA256[^\n]*=\s*([0-9a-fA-F]{64})`)

// recordedSum reads the SHA-256 that monitord wrote beside a day's file; "" when there is none.
func recordedSum(path string) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	current, _, _ := strings.Cut(string(data), "Chained checksum")
	m := sha256Line.FindStringSubmatch(current)
	if m == nil {
		return "", nil
	}
	return strings.ToLower(m[1]), nil
}

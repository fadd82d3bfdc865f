package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// ManifestVersion is the format version written into every manifest. The zero value is invalid on disk.
const ManifestVersion = 1

// Manifest describes one batch: what was read, what became of every line, and the objects it holds.
// It is written once, inside building/<seq>, and becomes true by the rename of that directory into outbox/.
type Manifest struct {
	Version int    `json:"version"`
	Seq     uint64 `json:"seq"`
	Prev    uint64 `json:"prev"` // the batch before this one; 0 for the first
	// Instance is the spool the batch was made in, so that a lost instance file can be restored.
	Instance string `json:"instance"`
	// Created is when the batch was sealed, RFC 3339, UTC.
	Created string `json:"created"`
	// Position is where reading goes on after this batch (tailer.Position); opaque here.
	Position json.RawMessage `json:"position"`
	Ranges   []Range         `json:"ranges"`
	Gaps     []Gap           `json:"gaps,omitempty"`
	// Closes are recorded gaps, of this spool or another one, that were read to their end by the batches up to this one.
	Closes []Gap  `json:"closes,omitempty"`
	Counts Counts `json:"counts"`
	// Totals are cumulative since the first batch of this instance, this batch included.
	Totals  Counts   `json:"totals"`
	Objects []Object `json:"objects"`
	// Copy says what became of the second copy; nil when none is configured.
	Copy *CopyCounts `json:"copy,omitempty"`
	// Replay names the rejects of earlier batches that this one takes over; nil for what was read from the log. Its lines
	// are not in Counts, which the batches that rejected them have counted.
	Replay *Replay `json:"replay,omitempty"`
	// Replayed are cumulative, this batch included.
	Replayed Replayed `json:"replayed,omitzero"`
	// CRC is the CRC-32C, in hex, of the manifest encoded with an empty CRC.
	CRC string `json:"crc"`
}

// Range is a run of whole lines consumed from one source file: bytes [From, To) of its uncompressed content.
// File is relative to the dated tree (2026/Nov/ossec-alerts-23.json, never with .gz); Head tells two files of one name apart.
type Range struct {
	File string `json:"file"`
	Head string `json:"head"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

// Gap is a named loss: bytes [From, To) of a source file that could not be read. To is -1 when the end is not known.
type Gap struct {
	Range
	Reason string `json:"reason"`
}

// Counts account for lines: Read = Shipped + Filtered + Rejected, always.
type Counts struct {
	Read     int64 `json:"read"`
	Shipped  int64 `json:"shipped"`
	Filtered int64 `json:"filtered"`
	Rejected int64 `json:"rejected"`
}

// Object is one finished Parquet file of a batch and where it goes. The destination is pinned here:
// a changed configuration does not redirect it.
type Object struct {
	File        string `json:"file"` // name inside the batch directory: 0.parquet
	Destination string `json:"destination"`
	Source      string `json:"source"`
	Class       string `json:"class"`
	Key         string `json:"key"`
	EventDay    string `json:"eventDay"` // YYYYMMDD, UTC day of the events
	Rows        int64  `json:"rows"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`    // hex, of the file
	FirstTime   int64  `json:"firstTime"` // epoch milliseconds
	LastTime    int64  `json:"lastTime"`
}

// Reject is one line that could not become an event.
type Reject struct {
	Reason    string `json:"reason"`              // a reason code: not_json, oversize, bad_timestamp, invalid_event, truncated_at_rotation
	Attribute string `json:"attribute,omitempty"` // the OCSF attribute at fault, for invalid_event
	File      string `json:"file"`
	Head      string `json:"head"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	Size      int64  `json:"size"`             // bytes of the line
	SHA256    string `json:"sha256,omitempty"` // of the line, when its bytes are not kept
	Line      []byte `json:"line,omitempty"`   // the original bytes (base64 in JSON, so that invalid UTF-8 survives)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcTail is how a sealed document ends before its CRC is filled in. The CRC field must stay the last one
// of Manifest and Entry: the check is made over the bytes as written, never over a second encoding of what
// was decoded, so that fields added later and odd strings cannot break it.
const crcTail = `,"crc":""}`

// seal encodes v, whose last field is an empty crc, and fills the CRC in.
func seal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(b, []byte(crcTail)) {
		return nil, errors.New("crc is not the last, empty field")
	}
	sum := crc32.Checksum(b, castagnoli)
	return fmt.Appendf(b[:len(b)-2], `%08x"}`, sum), nil
}

// unseal checks the CRC of one sealed document and decodes it into v. A version above the known one is
// reported as *FormatError before the CRC is looked at: a later format may be sealed in another way.
func unseal(b []byte, path string, v any) error {
	b = bytes.TrimRight(b, "\n")
	// Every line this version wrote begins so: a month of ledger is not decoded twice at start.
	if !bytes.HasPrefix(b, fmt.Appendf(nil, `{"version":%d,`, ManifestVersion)) {
		var head struct {
			Version int `json:"version"`
		}
		if err := json.Unmarshal(b, &head); err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		if head.Version > ManifestVersion {
			return &FormatError{Path: path, Version: head.Version}
		}
		if head.Version != ManifestVersion {
			return fmt.Errorf("version %d", head.Version)
		}
	}
	const hexLen = 8
	if len(b) < len(crcTail)+hexLen {
		return errors.New("too short for a crc")
	}
	cut := len(b) - hexLen - 2
	plain := append(bytes.Clone(b[:cut]), '"', '}')
	if !bytes.HasSuffix(plain, []byte(crcTail)) {
		return errors.New("no crc at the end")
	}
	if got, want := fmt.Sprintf("%08x", crc32.Checksum(plain, castagnoli)), string(b[cut:cut+hexLen]); got != want {
		return fmt.Errorf("crc is %s, the content has %s", want, got)
	}
	return json.Unmarshal(b, v)
}

// validName reports whether name may be a file of a batch: one path element, none of the spool's own names.
func validName(name string) bool {
	switch name {
	case "", manifestName, acksName, rejectsName:
		return false
	}
	return !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/\\\x00\n") && !strings.HasSuffix(name, newSuffix)
}

func (c Counts) plus(d Counts) Counts {
	return Counts{
		Read: c.Read + d.Read, Shipped: c.Shipped + d.Shipped,
		Filtered: c.Filtered + d.Filtered, Rejected: c.Rejected + d.Rejected,
	}
}

// check holds a manifest against itself; it does not look at the disk.
func (m *Manifest) check() error {
	if c := m.Counts; c.Read != c.Shipped+c.Filtered+c.Rejected || min(c.Read, c.Shipped, c.Filtered, c.Rejected) < 0 {
		return fmt.Errorf("counts do not add up: %+v", c)
	}
	if p := bytes.TrimSpace(m.Position); len(p) == 0 || bytes.Equal(p, []byte("null")) {
		return errors.New("no position")
	}
	if err := m.Replay.check(); err != nil {
		return err
	}
	seen := make(map[string]bool, len(m.Objects))
	for _, o := range m.Objects {
		if !validName(o.File) || seen[o.File] {
			return fmt.Errorf("object file name %q", o.File)
		}
		seen[o.File] = true
	}
	return nil
}

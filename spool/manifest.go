package spool

import "encoding/json"

// ManifestVersion is the format version written into every manifest. The zero value is invalid on disk.
const ManifestVersion = 1

// Manifest describes one batch: what was read, what became of every line, and the objects it holds.
// It is written once, inside building/<seq>, and becomes true by the rename of that directory into outbox/.
type Manifest struct {
	Version int    `json:"version"`
	Seq     uint64 `json:"seq"`
	Prev    uint64 `json:"prev"` // the batch before this one; 0 for the first
	// Created is when the batch was sealed, RFC 3339, UTC.
	Created string `json:"created"`
	// Position is where reading goes on after this batch (tailer.Position); opaque here.
	Position json.RawMessage `json:"position"`
	Ranges   []Range         `json:"ranges"`
	Gaps     []Gap           `json:"gaps,omitempty"`
	Counts   Counts          `json:"counts"`
	// Totals are cumulative since the first batch of this instance, this batch included.
	Totals  Counts   `json:"totals"`
	Objects []Object `json:"objects"`
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

package audit

import (
	"wazuh-security-lake/spool"
)

// State is what is known of a run of bytes.
type State string

// The states of a run of bytes; see the package comment.
const (
	Delivered State = "delivered"
	Waiting   State = "waiting"
	Gap       State = "gap"
	NotOurs   State = "not ours"
	Unread    State = "unread"
	Missing   State = "missing"
	Twice     State = "twice"
)

// difference reports whether a state is a fault of the day.
func (s State) difference() bool { return s == Gap || s == Missing || s == Twice }

// Part is a run of bytes of a file in one state.
type Part struct {
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	State State `json:"state"`
	Lines int64 `json:"lines"`
	// Batches name who has the bytes, when more than one does.
	Batches []string `json:"batches,omitempty"`
}

// FileReport is one file of the day.
type FileReport struct {
	Name    string `json:"name"`
	Archive bool   `json:"archive"`
	Live    bool   `json:"live"`
	Size    int64  `json:"size"` // of the content
	Lines   int64  `json:"lines"`
	// Sum is ok, differs, or none when monitord has left no .sum.
	Sum   string `json:"sum"`
	Parts []Part `json:"parts"`
}

// Difference is one thing that does not agree.
type Difference struct {
	Kind   string `json:"kind"` // a State, or one of the Kind constants
	File   string `json:"file,omitempty"`
	From   int64  `json:"from,omitempty"`
	To     int64  `json:"to,omitempty"` // -1: not known
	Batch  string `json:"batch,omitempty"`
	Key    string `json:"key,omitempty"`
	Detail string `json:"detail"`
}

// Kinds of Difference besides the states of bytes.
const (
	KindFileGone    = "file gone"
	KindTruncated   = "truncated"
	KindChanged     = "changed"
	KindDamaged     = "damaged"
	KindSum         = "sum"
	KindLines       = "lines"
	KindLedger      = "ledger"
	KindObjectGone  = "object gone"
	KindObjectSize  = "object size"
	KindObjectAlien = "object unknown"
	KindRows        = "rows"
)

// Report is what an audit of a day found.
type Report struct {
	Day     string          `json:"day"`
	Files   []FileReport    `json:"files"`
	Lines   map[State]int64 `json:"lines"` // of the files of the day
	Bytes   map[State]int64 `json:"bytes"`
	Batches int             `json:"batches"` // that touch the day
	// Account is of these batches as a whole, also of their lines of the days before and after.
	Account spool.Account `json:"account"`
	// Replayed are rejected lines that `rejects replay` has shipped since; its batches may hold lines of other days too.
	Replayed    int64         `json:"replayed,omitempty"`
	Objects     *ObjectReport `json:"objects,omitempty"`
	Differences []Difference  `json:"differences"`

	of day
}

func (r *Report) differ(d Difference) { r.Differences = append(r.Differences, d) }

// Unread is how many bytes of the day the daemon has not read yet.
func (r *Report) Unread() int64 { return r.Bytes[Unread] }

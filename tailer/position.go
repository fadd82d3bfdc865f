package tailer

// Position says where reading goes on. It is a comparable-by-fields value that is stored inside a committed batch and
// nowhere else. The zero Position means "never started".
type Position struct {
	// File is the name of the file relative to the log's directory tree, always the plain name:
	// 2026/Nov/ossec-alerts-23.json even when only its .gz is left.
	File string `json:"file"`
	// Dev and Ino are the fast path only: inode numbers are reused within seconds.
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
	// Head is the fingerprint of the first line (at most 1 KiB of it): it stays while the file grows and is the same
	// inside the .gz. An empty Head matches nothing.
	Head Fingerprint `json:"head"`
	// Tail is the fingerprint of the last bytes (at most 4 KiB) before Offset: it proves that these are the bytes we read.
	Tail Fingerprint `json:"tail"`
	// Offset is the end of the last consumed line, in bytes of the uncompressed content.
	Offset int64 `json:"offset"`
	// Floor is a file name: files up to it that have no mark in Done are not ours to read. They were shipped long ago,
	// or they are older than the very first start. "-" when there was none older; empty only in a position made by hand.
	Floor string `json:"floor,omitempty"`
	// Done are the last files left behind, newest last, at most 64: a file opened again (clock stepped back, restart,
	// relink) resumes at its End instead of 0.
	Done []Mark `json:"done,omitempty"`
	// Vanished is how many files that vanished before they were read were told of, as gaps: going back to a position tells
	// again of those it does not count, because nothing else is left of them.
	Vanished int64 `json:"vanished,omitempty"`
}

// IsZero reports whether nothing was ever consumed.
func (p Position) IsZero() bool {
	return p.File == "" && p.Offset == 0 && p.Head == (Fingerprint{}) && p.Floor == "" && len(p.Done) == 0
}

// Mark remembers a file that was left behind.
type Mark struct {
	File string      `json:"file"`
	Head Fingerprint `json:"head"`
	Tail Fingerprint `json:"tail"`
	End  int64       `json:"end"`
}

// Fingerprint is a length and the hash of that many bytes. The zero Fingerprint matches nothing.
type Fingerprint struct {
	Len  int    `json:"len"`
	Hash string `json:"hash"` // first 16 bytes of the SHA-256, hex
}

// Line is one line of the log, or the remains of one that can never be completed.
type Line struct {
	// Data is the line without its newline; valid until the next call. For a Reject it may hold only the beginning.
	Data []byte
	// File, Head, From and To name the bytes [From, To) this line stands in, newline included.
	File     string
	Head     Fingerprint
	From, To int64
	// Volatile: the inode no longer has its dated name and no complete archive holds these bytes; this read is the only
	// copy there will ever be.
	Volatile bool
	// Reject is empty for a whole line, else the reason why it is none: RejectOversize, RejectTruncated, RejectBlank.
	Reject string
	// Size is the number of bytes of the line; larger than len(Data) when Data was cut. SHA256 is then set.
	Size   int64
	SHA256 string
}

// Reasons for Line.Reject.
const (
	// RejectOversize is a line longer than Options.MaxLine. Data holds its first 64 KiB at most.
	RejectOversize = "oversize"
	// RejectTruncated is half a line at the end of a file whose successor is linked: the other half was never written.
	RejectTruncated = "truncated_at_rotation"
	// RejectBlank is a line of nothing but white space. It is returned so that ranges stay contiguous and counts add up.
	RejectBlank = "blank"
)

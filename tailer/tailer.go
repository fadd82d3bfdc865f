package tailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

const (
	defaultMaxLine  = 16 << 20
	maxMarks        = 64
	archiveWarning  = time.Minute      // an archive that does not end is reported after this
	archivePatience = time.Hour        // and given up after this, if it did not change
	unlinkedWarning = 10 * time.Minute // how often Unlinked is repeated
	detourInterval  = time.Minute      // how often a live file that is read to its end is left for another
	missingPatience = 5 * time.Second  // alerts.json is missing for 41 us at each rotation
)

// Options say what is followed and from where.
type Options struct {
	// Log is what is followed. It must be set.
	Log Log
	// Position is where reading goes on; zero is the very first start.
	Position Position
	// StartAt applies only with a zero Position. With a time, the lines at the beginning are skipped until the first
	// one that is not older.
	StartAt StartAt
	// StopAt, unless zero, ends the log for good before the first line with that timestamp or a later one.
	StopAt time.Time
	// MaxLine is the longest line that is returned whole; 16 MiB if zero.
	MaxLine int
	// Now is the clock; time.Now if nil. Its location is the manager's.
	Now func() time.Time
	// FS is the operating system's if nil.
	FS FS
	// OnEvent, unless nil, is called from within Next and Lag.
	OnEvent func(Event)
	// OnRead, unless nil, is called at each read of a file: a sign of life while one call of Next skips through gigabytes
	// of an archive.
	OnRead func()

	buffer int // size the read buffer starts with; tests make it small
}

// Tailer follows one log. Its methods must be called from one goroutine at a time.
type Tailer struct {
	opt Options
	win window
	cur *source  // nil between two files
	pos Position // where cur == nil stands; Floor and Done always

	locating bool // pos is from outside and its file has still to be found
	started  bool // the first file was chosen
	parked   bool // the last call found nothing: what is half read may have changed since
	skipping bool // lines before StartAt are skipped
	stopped  bool // StopAt was reached
	closed   bool
	exposed  bool // bytes returned are in no other file

	missingSince time.Time
	lookedAround time.Time // when detour last looked
	waiting      archiveWait
	archiveSize  map[string]int64 // archives read to their end by this process, by name and head: content size as their trailer has it
	unread       map[string]int64 // sizes of files waiting to be read, when last looked at
	gone         []goneFile       // of these, those that vanished and were told of as a gap: the last of all vanishedFiles
	startTime    time.Time        // with skipping: the time before which lines are skipped
	scratch      [tailLen]byte

	vanishedFiles int64 // see Position.Vanished
}

// goneFile is a file that vanished before it was read.
type goneFile struct {
	name string
	size int64
}

// archiveWait remembers an archive that did not decompress to its end.
type archiveWait struct {
	name   string
	id     fileID
	size   int64
	mtime  time.Time
	since  time.Time
	warned bool
}

// Open makes a Tailer. It touches no file: what is wrong with the log shows in Next, which may be repeated.
func Open(opt Options) (*Tailer, error) {
	if opt.Log == nil {
		return nil, errors.New("open tailer: no log")
	}
	if err := opt.Log.validate(); err != nil {
		return nil, fmt.Errorf("open tailer: %w", err)
	}
	if opt.MaxLine < 0 {
		return nil, fmt.Errorf("open tailer: longest line %d is negative", opt.MaxLine)
	}
	if p := opt.Position; p.Offset < 0 || p.Offset > 0 && (p.File == "" || p.Head.Len == 0 || p.Tail.Len == 0) {
		return nil, fmt.Errorf("open tailer: position %q at %d is not one that Position returned", p.File, p.Offset)
	}
	if opt.MaxLine == 0 {
		opt.MaxLine = defaultMaxLine
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.FS == nil {
		opt.FS = osFS{}
	}
	if opt.OnRead != nil {
		opt.FS = readFS{opt.FS, opt.OnRead}
	}
	if opt.OnEvent == nil {
		opt.OnEvent = func(Event) {}
	}
	if opt.buffer == 0 {
		opt.buffer = baseBuffer
	}
	t := &Tailer{
		opt:         opt,
		win:         newWindow(opt.buffer, opt.MaxLine),
		pos:         opt.Position,
		archiveSize: map[string]int64{},
		unread:      map[string]int64{},

		vanishedFiles: opt.Position.Vanished,
	}
	t.pos.Done = slices.Clone(opt.Position.Done)
	t.started = !opt.Position.IsZero()
	t.locating = opt.Position.File != ""
	return t, nil
}

// Next returns the next line. It reads, it never waits for data: io.EOF means that nothing whole is there now, call
// again after a wake-up (with StopAt: that the log has ended). A line without its newline is returned only when the
// rest can never come, as Reject.
//
// Line.Data belongs to the Tailer and is valid until the next call. Nothing is durable: what was returned counts as read
// only in the Position of a later call, and only once the caller has stored that.
//
// A *GapError is a loss, to be recorded; a *RetryError is none. After both, the next call goes on.
func (t *Tailer) Next(ctx context.Context) (Line, error) {
	if t.closed {
		return Line{}, ErrClosed
	}
	if t.parked {
		t.parked = false
		if t.cur != nil && t.cur.gz == nil {
			t.win.rewind()
			t.cur.verified = false
		}
	}
	for {
		if t.stopped {
			return Line{}, io.EOF
		}
		if t.cur != nil {
			if c, ok := t.win.next(); ok {
				if line, ok := t.line(c, ""); ok {
					return line, nil
				}
				continue
			}
		}
		if err := ctx.Err(); err != nil {
			return Line{}, err
		}
		var line Line
		var err error
		if t.cur == nil {
			err = t.advance()
		} else {
			line, err = t.fill()
		}
		if err != nil {
			t.parked = true
			return Line{}, t.classify(err)
		}
		if line.File != "" {
			return line, nil
		}
	}
}

// classify leaves the errors a caller knows as they are and makes everything else a RetryError.
func (t *Tailer) classify(err error) error {
	var gap *GapError
	var retry *RetryError
	switch {
	case err == io.EOF, errors.As(err, &gap), errors.As(err, &retry):
		return err
	case errors.Is(err, errArchive):
		return io.EOF // the wait is bounded and reported by archiveNotReady
	}
	var pathErr *fs.PathError
	retry = &RetryError{Err: err}
	if errors.As(err, &pathErr) {
		retry.Path = pathErr.Path
	}
	return retry
}

// line turns a chunk into a Line, unless it is to be skipped or is behind the stop.
func (t *Tailer) line(c chunk, reject string) (Line, bool) {
	if t.cur.head.Len == 0 {
		t.cur.head = firstHead(c)
	}
	if c.oversize && reject == "" {
		reject = RejectOversize
	}
	if reject == "" && blank(c.data) {
		reject = RejectBlank
	}
	if t.skipping {
		if at, ok := lineTime(c.data); !ok || at.Before(t.startTime) {
			return Line{}, false
		}
		t.skipping = false
	}
	if !t.opt.StopAt.IsZero() && !c.oversize {
		if at, ok := lineTime(c.data); ok && !at.Before(t.opt.StopAt) {
			t.stop(c)
			return Line{}, false
		}
	}
	volatile := t.cur.lost && c.to > t.cur.covered
	t.exposed = t.exposed || volatile
	return Line{
		Data: c.data, File: t.cur.name, Head: t.cur.head, From: c.from, To: c.to, Volatile: volatile,
		Reject: reject, Size: c.size, SHA256: c.sha256,
	}, true
}

// stop ends the log before c. The position stays at the end of the line before it.
func (t *Tailer) stop(c chunk) {
	t.stopped = true
	t.win.r -= int(c.to - c.from)
	t.win.s = t.win.r
}

// firstHead is the fingerprint of the first line of a file, which c is: headOf the file, without reading it again.
func firstHead(c chunk) Fingerprint {
	if len(c.data) >= headLen || c.to == c.from+c.size {
		return fingerprint(c.data[:min(len(c.data), headLen)])
	}
	return fingerprint(append(bytes.Clone(c.data), '\n'))
}

// blank reports whether a line is nothing but JSON's white space.
func blank(line []byte) bool {
	if len(line) > 0 && line[0] > ' ' {
		return false // the usual case, for the price of one comparison
	}
	return len(bytes.Trim(line, " \t\r\n")) == 0
}

// fill reads on in the current file. At its end it finds out whether there is more to come, returns what is left of the
// last line if not, and closes the file. io.EOF: nothing more now.
func (t *Tailer) fill() (Line, error) {
	s := t.cur
	if !s.verified {
		if err := t.verify(); err != nil {
			return Line{}, err
		}
		s.verified = true
	}
	n, err := s.read(t.win.room(), t.win.readAt())
	if err != nil {
		return Line{}, t.readFailed(err)
	}
	t.checkName(n == 0)
	if n > 0 {
		t.win.filled(n)
		return Line{}, nil
	}
	if !s.final {
		successor, err := t.relinked()
		if err != nil {
			return Line{}, err
		}
		if !successor {
			return Line{}, t.detour()
		}
		// Drained before the relink was seen is not drained: analysisd flushes the rest when it closes, just before.
		s.final, s.verified = true, false
		t.win.rewind()
		return Line{}, nil
	}
	if c, ok := t.win.rest(); ok {
		line, _ := t.line(c, RejectTruncated)
		return line, nil
	}
	t.finish()
	t.opt.OnEvent(Event{Kind: Finished, File: t.pos.File, Offset: t.pos.Offset})
	return Line{}, nil
}

// verify compares what stands before the offset with what was read there. Half lines are read again afterwards, so a
// file that was cut and written anew between two polls cannot be glued to what it was before.
func (t *Tailer) verify() error {
	s := t.cur
	reason := ""
	if o := t.win.over; o != nil {
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		if info.Size() < t.win.readAt() {
			reason = GapTruncated
		}
	} else {
		guard := t.win.guard()
		now := t.scratch[:len(guard)]
		for have := 0; have < len(now); {
			n, err := s.read(now[have:], t.win.offset()-int64(len(now)-have))
			if err != nil {
				return t.readFailed(err)
			}
			if n == 0 {
				reason = GapTruncated
				break
			}
			have += n
		}
		if reason == "" && !bytes.Equal(now, guard) {
			reason = GapRewritten
		}
	}
	if reason == "" {
		return nil
	}
	gap := &GapError{File: s.name, Head: s.head, From: t.win.offset(), To: -1, Reason: reason}
	s.head, s.verified = Fingerprint{}, true
	t.win.reset(0, nil)
	t.opt.OnEvent(Event{Kind: Restarted, File: s.name, Bytes: gap.From})
	return gap
}

// readFailed gives up the open file where it cannot be read on in: an archive, whose stream is broken, and a file the
// server of a network file system does not know any more. A plain file stays open, it may have no name any more.
func (t *Tailer) readFailed(err error) error {
	if t.cur.gz == nil && !errors.Is(err, syscall.ESTALE) {
		return err
	}
	t.pos = t.here()
	t.locating = true
	name := t.cur.name
	t.cur.close()
	t.cur = nil
	if errors.Is(err, errArchive) {
		return t.archiveNotReady(name)
	}
	return err
}

// Position is where the last line that was returned ends, to be stored with what was made of it. It hashes up to 4 KiB;
// it reads nothing.
func (t *Tailer) Position() Position {
	p := t.here()
	t.exposed = false
	if t.cur != nil {
		t.cur.taken = p.Offset
	}
	return p
}

// Exposed reports whether a line returned since the last call of Position has, also after it was returned, become the
// only copy: its file lost its name and no archive holds it. Like Line.Volatile it asks for a seal at once.
func (t *Tailer) Exposed() bool { return t.exposed }

func (t *Tailer) here() Position {
	p := t.pos
	p.Vanished = t.vanishedFiles
	if s := t.cur; s != nil {
		p.File, p.Dev, p.Ino = s.name, s.id.dev, s.id.ino
		p.Head, p.Tail, p.Offset = s.head, fingerprint(t.win.guard()), t.win.offset()
	}
	p.Done = slices.Clone(t.pos.Done)
	return p
}

// Close closes the open file. It never fails to; the error is for io.Closer.
func (t *Tailer) Close() error {
	if t.cur != nil {
		t.pos = t.here()
		t.cur.close()
		t.cur = nil
	}
	t.closed = true
	return nil
}

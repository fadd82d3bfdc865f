package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"gopkg.in/natefinch/lumberjack.v2"
)

// Rotation of the optional log file (log.file). The journal needs none of this.
const (
	logFileMegabytes = 50
	logFileBackups   = 5
)

// newLogger builds the daemon's logger. format is auto, text, json or journal; auto means: the journal's native protocol
// under systemd, text on a terminal, else JSON. With a file, records go there as well, rotated.
// The returned function releases the file.
func newLogger(level slog.Leveler, format, file string, stderr io.Writer) (*slog.Logger, func(), error) {
	handler, err := streamHandler(level, format, stderr)
	if err != nil {
		return nil, nil, err
	}
	release := func() {}
	if file != "" {
		// One instance for the life of the process: lumberjack's Close leaves a goroutine behind.
		w := &lumberjack.Logger{Filename: file, MaxSize: logFileMegabytes, MaxBackups: logFileBackups}
		handler = teeHandler{handler, slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})}
		release = func() { _ = w.Close() }      // nothing to be done about a log that does not close
		if _, err := w.Write(nil); err != nil { // opens it; what fails later than this nobody hears of
			slog.New(handler).Warn("log.file cannot be written: lines go to the journal or stderr only", "err", err)
		}
	}
	return slog.New(handler), release, nil
}

func streamHandler(level slog.Leveler, format string, stderr io.Writer) (slog.Handler, error) {
	opt := &slog.HandlerOptions{Level: level}
	text := func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, opt) }
	formatJSON := func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, opt) }
	journal := onJournal(stderr, os.Getenv("JOURNAL_STREAM"))
	plain := func(of func(io.Writer) slog.Handler) slog.Handler {
		if journal {
			return newPrefixHandler(stderr, of)
		}
		return of(stderr)
	}
	switch {
	case format == "json" || format == "auto" && !journal && !isTerminal(stderr):
		return plain(formatJSON), nil
	case format == "text" || format == "auto" && !journal:
		return plain(text), nil
	case format == "journal" || format == "auto":
		h, err := newJournalHandler(level, plain(text))
		if err != nil {
			return plain(text), nil // no journal socket in this sandbox: stderr reaches it all the same
		}
		return h, nil
	}
	return nil, fmt.Errorf("log.format %q: want auto, text, json or journal", format)
}

// onJournal reports whether w is the stream that systemd connected to the journal. The variable alone does not tell: every
// process below such a service inherits it, a shell in a desktop's terminal for one.
func onJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// prefixHandler puts the <priority> before each record that systemd takes off again (sd-daemon(3)): without it all of
// stderr has the priority that the unit names.
type prefixHandler struct {
	out   *prefixOutput
	inner slog.Handler // writes to out.line
}

// prefixOutput is shared by a handler and those made from it.
type prefixOutput struct {
	mu   sync.Mutex // guards all below
	w    io.Writer
	line bytes.Buffer
}

func newPrefixHandler(w io.Writer, of func(io.Writer) slog.Handler) slog.Handler {
	out := &prefixOutput{w: w}
	return prefixHandler{out, of(&out.line)}
}

func (h prefixHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.inner.Enabled(ctx, l)
}

func (h prefixHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.line.Reset()
	h.out.line.WriteString("<" + priority(r.Level) + ">")
	if err := h.inner.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.out.w.Write(h.out.line.Bytes())
	return err
}

func (h prefixHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return prefixHandler{h.out, h.inner.WithAttrs(attrs)}
}

func (h prefixHandler) WithGroup(name string) slog.Handler {
	return prefixHandler{h.out, h.inner.WithGroup(name)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// teeHandler sends each record to two handlers.
type teeHandler struct{ a, b slog.Handler }

func (t teeHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return t.a.Enabled(ctx, l) || t.b.Enabled(ctx, l)
}

func (t teeHandler) Handle(ctx context.Context, r slog.Record) error {
	errA := t.a.Handle(ctx, r.Clone())
	if errB := t.b.Handle(ctx, r); errB != nil {
		return errB
	}
	return errA
}

func (t teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return teeHandler{t.a.WithAttrs(attrs), t.b.WithAttrs(attrs)}
}

func (t teeHandler) WithGroup(name string) slog.Handler {
	return teeHandler{t.a.WithGroup(name), t.b.WithGroup(name)}
}

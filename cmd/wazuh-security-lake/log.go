package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

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
		release = func() { _ = w.Close() } // nothing to be done about a log that does not close
	}
	return slog.New(handler), release, nil
}

func streamHandler(level slog.Leveler, format string, stderr io.Writer) (slog.Handler, error) {
	opt := &slog.HandlerOptions{Level: level}
	underSystemd := os.Getenv("JOURNAL_STREAM") != ""
	switch {
	case format == "json" || format == "auto" && !underSystemd && !isTerminal(stderr):
		return slog.NewJSONHandler(stderr, opt), nil
	case format == "text" || format == "auto" && !underSystemd:
		return slog.NewTextHandler(stderr, opt), nil
	case format == "journal" || format == "auto":
		h, err := newJournalHandler(level, slog.NewTextHandler(stderr, opt))
		if err != nil {
			return slog.NewTextHandler(stderr, opt), nil // no journal socket in this sandbox: stderr reaches it all the same
		}
		return h, nil
	}
	return nil, fmt.Errorf("log.format %q: want auto, text, json or journal", format)
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

package main

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"strings"
)

// journalSocket is where systemd-journald takes native entries (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const journalSocket = "/run/systemd/journal/socket"

// journalHandler writes each record to the journal with its attributes as fields (BATCH=42, ERR=...), so that
// `journalctl -p err` and `journalctl BATCH=42` work; the message repeats them for people.
// What the journal does not take (socket gone) goes to fallback.
type journalHandler struct {
	conn     *net.UnixConn
	level    slog.Leveler
	fallback slog.Handler
	attrs    []slog.Attr
}

func newJournalHandler(level slog.Leveler, fallback slog.Handler) (slog.Handler, error) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: journalSocket, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	return &journalHandler{conn: conn, level: level, fallback: fallback}, nil
}

func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(append([]slog.Attr(nil), h.attrs...), attrs...)
	c.fallback = h.fallback.WithAttrs(attrs)
	return &c
}

// WithGroup is not used in this program: the fields of a journal entry are flat.
func (h *journalHandler) WithGroup(string) slog.Handler { return h }

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	var fields []byte
	message := r.Message
	each := func(a slog.Attr) bool {
		value := a.Value.Resolve().String()
		fields = appendField(fields, fieldName(a.Key), value)
		message += " " + a.Key + "=" + quoted(value)
		return true
	}
	for _, a := range h.attrs {
		each(a)
	}
	r.Attrs(each)
	entry := appendField(nil, "MESSAGE", message)
	entry = appendField(entry, "PRIORITY", priority(r.Level))
	entry = appendField(entry, "SYSLOG_IDENTIFIER", "wazuh-security-lake")
	entry = append(entry, fields...)
	if _, err := h.conn.Write(entry); err != nil {
		return h.fallback.Handle(ctx, r)
	}
	return nil
}

// priority is the syslog severity: Error means that an operator must act, Warn that we are retrying.
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "3"
	case l >= slog.LevelWarn:
		return "4"
	case l >= slog.LevelInfo:
		return "6"
	}
	return "7"
}

// fieldName turns a key into a legal journal field: upper case letters, digits and underscores, not starting with one.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	return strings.TrimLeft(name, "_0123456789")
}

// appendField writes NAME=value, or the length-prefixed form when the value has a newline.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	if strings.Contains(value, "\n") {
		b = append(b, '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	} else {
		b = append(b, '=')
	}
	b = append(b, value...)
	return append(b, '\n')
}

func quoted(v string) string {
	if v == "" || strings.ContainsAny(v, " \t\"\n=") {
		return `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(v) + `"`
	}
	return v
}

package replica

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stdioBuffer is glibc's BUFSIZ for a file, which analysisd does not change.
const stdioBuffer = 4096

var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// Alert is one alert that was given to the stdio buffer.
type Alert struct {
	ID   string
	Line []byte // without newline
	File string // the dated name it was written to
	// Visible: all of it, newline included, stood in a file at some time.
	Visible bool
	// Glued: half a line of a killed manager stands before it on the same line.
	Glued bool
}

// Manager is one analysisd with one alerts directory. The zero value is not usable, see New.
type Manager struct {
	// Step, unless nil, is called between any two system calls of a rotation with the name of the last one:
	// a reader looks there.
	Step func(call string)
	// Rule is the id of the rule of the next alerts; 5710 when empty.
	Rule string

	dir     string
	clock   time.Time
	eventAt time.Time // analysisd's c_time: the time is only looked at when a message arrives
	count   int
	alerts  map[string]Alert

	file    *os.File // nil while stopped
	name    string
	day     time.Time
	part    int
	buf     []byte
	written int64 // end of what write(2) has put into the file
	half    bool  // the file ends in half a line
	waiting []waiting
}

// waiting is an alert whose end has not been written yet.
type waiting struct {
	id  string
	end int64
}

// New makes a stopped manager that writes below dir (logs/alerts) and whose clock shows now.
func New(dir string, now time.Time) *Manager {
	return &Manager{dir: dir, clock: now, eventAt: now, alerts: map[string]Alert{}}
}

// Path is alerts.json.
func (m *Manager) Path() string { return filepath.Join(m.dir, "alerts.json") }

// Dir is the directory of alerts.json and of the dated tree.
func (m *Manager) Dir() string { return m.dir }

// Now is the manager's clock.
func (m *Manager) Now() time.Time { return m.clock }

// SetClock sets the clock, back or forward. Only the next event makes analysisd notice.
func (m *Manager) SetClock(t time.Time) { m.clock = t }

// File is the dated name of the open file, or of the last one.
func (m *Manager) File() string { return m.name }

// Name is the dated name of a day's part.
func Name(day time.Time, part int) string {
	counter := ""
	if part > 0 {
		counter = fmt.Sprintf("-%03d", part)
	}
	return fmt.Sprintf("%04d/%s/ossec-alerts-%02d%s.json", day.Year(), months[day.Month()-1], day.Day(), counter)
}

// Start is OS_GetLogLocation at the start of analysisd: the newest part of the day is opened for appending and
// alerts.json linked to it anew, to the same inode when it was this day's already.
func (m *Manager) Start() error {
	m.eventAt = m.clock
	part := 0
	for {
		_, err := os.Lstat(m.at(Name(m.clock, part+1)))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		part++
	}
	return m.open(m.clock, part)
}

// Stop is SIGTERM: what is buffered is written.
func (m *Manager) Stop() error {
	if err := m.Flush(); err != nil {
		return err
	}
	err := m.file.Close()
	m.file = nil
	return err
}

// Kill is kill -9: what is buffered is lost, and the file may end in half a line.
func (m *Manager) Kill() error {
	m.buf, m.waiting = nil, nil
	err := m.file.Close()
	m.file = nil
	return err
}

func (m *Manager) endsInHalf() bool {
	b := make([]byte, 1)
	f, err := os.Open(m.at(m.name)) // the open one is write-only
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	_, err = f.ReadAt(b, info.Size()-1)
	return err == nil && b[0] != '\n'
}

// Alert writes one alert, size bytes long or as short as it can be, and returns its id. It is an event: the day change
// is noticed at the next Tick.
func (m *Manager) Alert(size int) (string, error) {
	m.eventAt = m.clock
	m.count++
	id := fmt.Sprintf("%d.%d", m.clock.Unix(), m.count)
	line := fmt.Sprintf(`{"timestamp":"%s","rule":{"level":3,"id":"%s"},"agent":{"id":"000"},"id":"%s","full_log":"`,
		m.clock.Format("2006-01-02T15:04:05.000-0700"), cmp.Or(m.Rule, "5710"), id)
	line += strings.Repeat("x", max(0, size-len(line)-2)) + `"}`
	m.alerts[id] = Alert{ID: id, Line: []byte(line), File: m.name, Glued: m.half}
	m.half = false
	m.waiting = append(m.waiting, waiting{id, m.written + int64(len(m.buf)+len(line)+1)})
	return id, m.Raw([]byte(line + "\n"))
}

// Raw gives bytes that are no alert to the stdio buffer.
func (m *Manager) Raw(b []byte) error {
	m.buf = append(m.buf, b...)
	for len(m.buf) >= stdioBuffer {
		if err := m.write(stdioBuffer); err != nil {
			return err
		}
	}
	return nil
}

// Event is a message that makes no alert.
func (m *Manager) Event() { m.eventAt = m.clock }

// Flush is the fflush that happens once a second.
func (m *Manager) Flush() error { return m.write(len(m.buf)) }

func (m *Manager) write(n int) error {
	if n == 0 {
		return nil
	}
	if _, err := m.file.Write(m.buf[:n]); err != nil {
		return err
	}
	m.buf = append(m.buf[:0], m.buf[n:]...)
	m.written += int64(n)
	for len(m.waiting) > 0 && m.waiting[0].end <= m.written {
		a := m.alerts[m.waiting[0].id]
		a.Visible = true
		m.alerts[a.ID] = a
		m.waiting = m.waiting[1:]
	}
	return nil
}

// Tick moves the clock and is the rotation thread's second: flush, then rotate if the last event came on another day
// than the open file's.
func (m *Manager) Tick(d time.Duration) error {
	m.clock = m.clock.Add(d)
	if err := m.Flush(); err != nil {
		return err
	}
	y, mon, day := m.eventAt.Date()
	if y == m.day.Year() && mon == m.day.Month() && day == m.day.Day() {
		return nil
	}
	return m.open(m.eventAt, 0)
}

// Rotate is rotation by size or interval: the next part of the same day. skip leaves that many numbers out.
func (m *Manager) Rotate(skip int) error {
	if err := m.Flush(); err != nil {
		return err
	}
	return m.open(m.day, m.part+1+skip)
}

// open is openlog: the old file is unlinked if it is empty, closed, the new one opened, alerts.json linked to it.
func (m *Manager) open(day time.Time, part int) error {
	if m.file != nil {
		info, err := m.file.Stat()
		if err != nil {
			return err
		}
		if info.Size() == 0 {
			if err := os.Remove(m.at(m.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			m.step("unlink empty")
		}
		if err := m.file.Close(); err != nil {
			return err
		}
		m.step("close")
	}
	name := Name(day, part)
	if err := os.MkdirAll(filepath.Dir(m.at(name)), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(m.at(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m.file, m.name, m.day, m.part, m.written = f, name, day, part, info.Size()
	m.half = m.endsInHalf()
	m.step("open")
	if err := os.Remove(m.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	m.step("unlink")
	if err := os.Link(m.at(name), m.Path()); err != nil {
		return err
	}
	m.step("link")
	return nil
}

func (m *Manager) step(call string) {
	if m.Step != nil {
		m.Step(call)
	}
}

func (m *Manager) at(name string) string { return filepath.Join(m.dir, filepath.FromSlash(name)) }

// Alerts returns every alert by its id.
func (m *Manager) Alerts() map[string]Alert { return maps.Clone(m.alerts) }

// Visible returns the ids of the alerts that ever stood whole in a file.
func (m *Manager) Visible() map[string]bool {
	ids := map[string]bool{}
	for id, a := range m.alerts {
		if a.Visible {
			ids[id] = true
		}
	}
	return ids
}

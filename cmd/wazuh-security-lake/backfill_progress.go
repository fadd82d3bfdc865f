package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"wazuh-security-lake/backfill"
)

// backfillScreen is where a backfill tells how far it is: a bar on a terminal, one line per finished file elsewhere. Warnings
// are written through it so that they do not run into the bar.
type backfillScreen struct {
	terminal bool
	total    int64

	mu sync.Mutex // guards w: log, bar and workers write
	w  io.Writer
}

func newBackfillScreen(w io.Writer, plan backfill.Plan) *backfillScreen {
	s := &backfillScreen{w: w, terminal: isTerminal(w)}
	for _, g := range plan.Groups {
		s.total += g.Bytes()
	}
	return s
}

// Write prints a line of the log.
func (s *backfillScreen) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
	return s.w.Write(line)
}

// done is told every group that is committed.
func (s *backfillScreen) done(g backfill.Group) {
	if s.terminal {
		return
	}
	var b strings.Builder
	for _, p := range g.Pieces {
		size := max(0, p.Size-p.From)
		if p.To >= 0 {
			size = p.To - p.From
		}
		fmt.Fprintf(&b, "read %s from byte %d, %s\n", p.Name, p.From, sizeText(size))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.w, b.String())
}

// start draws the bar until the returned function is called, which waits for it.
func (s *backfillScreen) start(p *backfill.Progress) (stop func()) {
	if !s.terminal || s.total == 0 {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				s.draw("")
				return
			case <-tick.C:
				s.draw(progressLine(p.Bytes(), s.total, p.Lines(), time.Since(began)))
			}
		}
	}()
	return func() { close(quit); <-done }
}

func (s *backfillScreen) draw(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.w, "\r"+text+"\x1b[K")
}

// progressLine is the bar with rate and time left.
func progressLine(done, total, lines int64, took time.Duration) string {
	text := bar(done, total)
	seconds := took.Seconds()
	if done == 0 || seconds < 0.5 {
		return text
	}
	rate := float64(done) / seconds
	left := time.Duration(float64(max(0, total-done)) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s  %s of %s, %s/s, %.0f alerts/s, %v left", text, sizeText(done), sizeText(total),
		sizeText(int64(rate)), float64(lines)/seconds, left)
}

// sizeText is a number of bytes for people.
func sizeText(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

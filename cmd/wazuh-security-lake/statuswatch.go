package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// watchEvery is how often status --watch looks again.
const watchEvery = 2 * time.Second

// The few words of a terminal's language that are needed; every terminal since the VT100 knows them.
const (
	ansiHome      = "\x1b[H"
	ansiClear     = "\x1b[2J"
	ansiEndOfLine = "\x1b[K" // clear from here to the end of the line
	ansiBelow     = "\x1b[J" // clear everything below
	ansiHide      = "\x1b[?25l"
	ansiShow      = "\x1b[?25h"
)

// watchStatus shows the status again and again until a signal ends it. On a terminal it draws over what is there, without
// clearing first: nothing flickers. Into a pipe it prints one block after the other.
func watchStatus(ctx context.Context, out io.Writer, r *statusReader) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	terminal := isTerminal(out)
	if terminal {
		fmt.Fprint(out, ansiHide+ansiHome+ansiClear)
		defer fmt.Fprint(out, ansiShow)
	}
	for {
		now := time.Now()
		v, err := r.read(now)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := v.print(&text, now); err != nil {
			return err
		}
		shown := append(text.Bytes(), '\n')
		if terminal {
			fmt.Fprintf(&text, "\n%s  Ctrl-C ends\n", now.Format(time.DateTime))
			width, height := terminalSize(out)
			shown = screen(text.String(), width, height)
		}
		if _, err := out.Write(shown); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
			if terminal {
				fmt.Fprint(out, ansiHome+ansiClear) // what the old size left over is not ours to find
			}
		case <-tick.C:
		}
	}
}

// screen turns lines into one redraw: each line cut to the width, so that none wraps, and ended by clearing the rest of it.
// Lines that do not fit the height are left out, so that nothing scrolls.
func screen(text string, width, height int) []byte {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 {
		lines = append(lines[:height-2:height-2], "...")
	}
	var b bytes.Buffer
	b.WriteString(ansiHome)
	for _, line := range lines {
		b.WriteString(cut(line, width))
		b.WriteString(ansiEndOfLine + "\r\n")
	}
	b.WriteString(ansiBelow)
	return b.Bytes()
}

// cut shortens a line to width characters and takes out what a terminal would obey: file names and messages of servers
// stand in it.
func cut(line string, width int) string {
	var b strings.Builder
	n := 0
	for _, r := range line {
		if width > 0 && n == width {
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// terminalSize is what the terminal says, 0 where it does not.
func terminalSize(w io.Writer) (width, height int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(ws.Col), int(ws.Row)
}

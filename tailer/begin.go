package tailer

// begin applies StartAt: it sets the floor, and for the end opens the live file there.
func (t *Tailer) begin(live current, segs []segment) (raced bool, err error) {
	now := t.opt.Now()
	at := t.opt.StartAt
	first := at.firstDay(now)
	floor := -1 // index of the newest file that is not read
	for i, seg := range segs {
		older := seg.day.Before(first)
		switch {
		case at.kind == startEnd:
			older = order(seg.name) < order(live.name)
		case !t.opt.Log.revisits():
			older = false // an inbox holds only what was never read
		}
		if older {
			floor = i
		}
	}
	if at.kind == startTime && t.opt.Log.revisits() {
		// The first alerts of a day may stand in the file before: an idle manager rotates up to a second after them.
		floor--
	}
	t.pos.Floor = noFloor
	if floor >= 0 {
		t.pos.Floor = segs[floor].name
	}
	t.startTime = at.firstTime(now)
	t.skipping = at.kind == startTime || at.kind != startEnd && t.opt.Log.revisits() && live.seg.day.Before(first)
	if at.kind != startEnd {
		t.started = true
		return false, nil
	}
	src, err := openPlain(t.opt.FS, live.path, live.name)
	if err != nil {
		return false, err
	}
	if src.id != live.id {
		src.close()
		return true, nil
	}
	end, guard, err := lastNewline(src)
	if err == nil {
		content := make([]byte, headLen)
		var n int
		n, err = src.read(content, 0)
		src.head = headOf(content[:n])
	}
	if err != nil {
		src.close()
		return false, err
	}
	if end == 0 {
		src.head = Fingerprint{}
	}
	t.win.reset(end, guard)
	t.started = true
	t.adopt(src)
	return false, nil
}

// lastNewline finds the end of the last whole line and the bytes before it.
func lastNewline(s *source) (end int64, guard []byte, err error) {
	info, err := s.file.Stat()
	if err != nil {
		return 0, nil, err
	}
	buf := make([]byte, 64<<10)
	for hi := info.Size(); hi > 0; {
		lo := max(0, hi-int64(len(buf)))
		n, err := s.read(buf[:hi-lo], lo)
		if err != nil {
			return 0, nil, err
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				end = lo + int64(i) + 1
				guard = make([]byte, min(end, tailLen))
				n, err := s.read(guard, end-int64(len(guard)))
				return end, guard[:n], err
			}
		}
		hi = lo
	}
	return 0, nil, nil
}

package tailer

import (
	"fmt"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watcher says when it is worth calling Next again: after a name in the watched directory was made, removed or renamed
// (a relink of alerts.json), and each poll interval. The directory is watched, not the file: a write to alerts.json
// happens under its dated name, and watching the inode would wake the reader thousands of times a second.
type Watcher struct {
	dir    string
	poll   time.Duration
	wake   chan struct{}
	stop   chan struct{}
	notify *fsnotify.Watcher // nil: polling only
	done   sync.WaitGroup

	mu       sync.Mutex
	degraded error // guarded by mu
}

// NewWatcher starts a goroutine that Close waits for. That inotify is not available (no watches left, a network file
// system, the directory is not there yet) is no error: it polls then, and Degraded says why.
func NewWatcher(dir string, poll time.Duration) (*Watcher, error) {
	if poll <= 0 {
		return nil, fmt.Errorf("watch %s: poll interval %v is not positive", dir, poll)
	}
	w := &Watcher{dir: dir, poll: poll, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.degraded = fmt.Errorf("inotify: %w", err)
	} else {
		w.notify = notify
	}
	w.done.Add(1)
	go w.run(time.NewTicker(poll))
	return w, nil
}

// C is ready after a wake-up. Several wake-ups before it is received from are one.
func (w *Watcher) C() <-chan struct{} { return w.wake }

// Degraded returns why only the poll interval wakes, nil while the directory is watched. Ask once after the first
// wake-up, for the log.
func (w *Watcher) Degraded() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.degraded
}

// Close stops the goroutine and waits for it. It must be called once.
func (w *Watcher) Close() error {
	close(w.stop)
	w.done.Wait()
	if w.notify == nil {
		return nil
	}
	return w.notify.Close()
}

func (w *Watcher) run(ticker *time.Ticker) {
	defer w.done.Done()
	defer ticker.Stop()
	var events <-chan fsnotify.Event // nil channels never become ready
	var errs <-chan error
	watching := false
	if w.notify != nil {
		events, errs = w.notify.Events, w.notify.Errors
		watching = w.watch()
	}
	w.signal()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
			if w.notify != nil && !watching {
				watching = w.watch()
			}
			w.signal()
		case e := <-events:
			if e.Name == w.dir && e.Has(fsnotify.Remove|fsnotify.Rename) {
				watching = false // the directory itself went away; it is looked for at each poll
			}
			if e.Has(fsnotify.Create | fsnotify.Remove | fsnotify.Rename) {
				w.signal()
			}
		case <-errs:
			w.signal() // events were dropped: look
		}
	}
}

func (w *Watcher) watch() bool {
	err := w.notify.Add(w.dir)
	if err != nil {
		err = fmt.Errorf("watch directory: %w", err)
	}
	w.mu.Lock()
	w.degraded = err
	w.mu.Unlock()
	return err == nil
}

// signal does not wait: a wake-up that was not taken yet stands for this one too.
func (w *Watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

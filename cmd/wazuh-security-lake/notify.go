package main

import (
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// notifier speaks the sd_notify protocol: datagrams of VARIABLE=VALUE lines to the socket systemd names in
// $NOTIFY_SOCKET. Without that variable it does nothing. Errors are ignored on purpose: systemd not listening must
// never stop the shipping of alerts.
type notifier struct{ conn net.Conn }

func newNotifier() *notifier {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return &notifier{}
	}
	conn, err := net.Dial("unixgram", name) // a leading @ is the abstract namespace, as in the protocol
	if err != nil {
		return &notifier{}
	}
	return &notifier{conn: conn}
}

func (n *notifier) send(state string) {
	if n.conn != nil {
		_, _ = n.conn.Write([]byte(state)) // see above
	}
}

// ready says that the daemon works, and on what: systemctl status has no empty line until the first beat.
func (n *notifier) ready(status string) { n.send("READY=1\nSTATUS=" + status) }
func (n *notifier) stopping()           { n.send("STOPPING=1\nSTATUS=sealing and shipping what was read") }
func (n *notifier) status(text string)  { n.send("STATUS=" + text) }
func (n *notifier) watchdog()           { n.send("WATCHDOG=1") }

// reloading announces a reload; ready must follow. The time stamp is what Type=notify-reload asks for.
func (n *notifier) reloading(monotonic time.Duration) {
	n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic.Microseconds(), 10))
}

func (n *notifier) close() {
	if n.conn != nil {
		_ = n.conn.Close()
	}
}

// monotonic is CLOCK_MONOTONIC, as systemd wants it.
func monotonic() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

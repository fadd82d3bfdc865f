// Command wazuh-security-lake ships the alerts of a Wazuh manager to Amazon Security Lake.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	keepHeapSmall()
	ctx, stop := context.WithCancel(context.Background())
	code := execute(ctx, os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// stdio are the three streams of the process.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// execute runs one command line and returns the exit code; it prints the error, if any, as one line with its remedy.
func execute(ctx context.Context, args []string, std stdio) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(std.err, "wazuh-security-lake: "+err.Error())
	if hint := hintFor(err); hint != "" {
		fmt.Fprintln(std.err, "  remedy: "+hint)
	}
	return exitCode(err)
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM; the second one ends the process at once.
// For one-shot commands; the daemon handles its signals itself.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel) // back to the default action
	return ctx, cancel
}

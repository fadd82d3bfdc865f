// Package packaging holds what turns the binaries into packages; its tests keep the operations guide, the sample
// configuration and the manual in step with the code.
package packaging

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"wazuh-security-lake/tailer"
)

// logging are the packages whose warnings and errors reach the journal of the service.
var logging = []string{"../cmd/wazuh-security-lake", "../relay", "../uploader", "../spool", "../tailer"}

func TestOperationsExplainsEveryWarning(t *testing.T) {
	page := plain(read(t, "../docs/OPERATIONS.md"))
	messages := warnings(t)
	if len(messages) < 30 {
		t.Fatalf("found only %d messages in the code; the search is broken", len(messages))
	}
	for message, where := range messages {
		if !strings.Contains(page, plain(message)) {
			t.Errorf("docs/OPERATIONS.md does not explain %q (%s)", message, where)
		}
	}
	for kind := tailer.EventKind(1); !strings.HasPrefix(kind.String(), "event "); kind++ { // the name of an unknown one
		if kind.Warning() && !strings.Contains(page, plain("input: "+kind.String())) {
			t.Errorf("docs/OPERATIONS.md does not explain the event %q", "input: "+kind.String())
		}
	}
}

func TestOperationsExplainsEveryGapAndExitCode(t *testing.T) {
	page := read(t, "../docs/OPERATIONS.md")
	for _, reason := range []string{tailer.GapNotFound, tailer.GapTruncated, tailer.GapRewritten, tailer.GapDamaged} {
		if !strings.Contains(page, "`"+reason+"`") {
			t.Errorf("docs/OPERATIONS.md does not explain the gap %q", reason)
		}
	}
	for _, code := range exitCodes(t) {
		if code != "0" && !strings.Contains(page, "| `"+code+"` |") {
			t.Errorf("docs/OPERATIONS.md does not explain exit code %s", code)
		}
	}
}

// warnings are the literals of all messages logged as Warn or Error, each with the place of one of them.
func warnings(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	each(t, logging, func(files *token.FileSet, node ast.Node) {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return
		}
		message := -1
		switch selector.Sel.Name {
		case "Warn", "Error":
			message = 0
		case "WarnContext", "ErrorContext":
			message = 1
		case "Log": // the level is known at run time only
			message = 2
		case "begin":
			for i, arg := range call.Args {
				if level, ok := arg.(*ast.SelectorExpr); ok && (level.Sel.Name == "LevelWarn" || level.Sel.Name == "LevelError") {
					message = i + 1
				}
			}
		}
		if message < 0 || message >= len(call.Args) {
			return
		}
		if text := leading(call.Args[message]); text != "" {
			found[text] = files.Position(call.Pos()).String()
		}
	})
	return found
}

// leading is the string literal an expression is or begins with.
func leading(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		left := leading(e.X)
		if _, whole := e.X.(*ast.BasicLit); whole {
			return left + leading(e.Y)
		}
		return left
	}
	return ""
}

func exitCodes(t *testing.T) []string {
	t.Helper()
	var codes []string
	each(t, logging[:1], func(_ *token.FileSet, node ast.Node) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "exit") {
			return
		}
		if value, ok := spec.Values[0].(*ast.BasicLit); ok {
			codes = append(codes, value.Value)
		}
	})
	if len(codes) < 10 {
		t.Fatalf("found only %d exit codes in the code; the search is broken", len(codes))
	}
	return codes
}

// each visits every node of the packages' files, tests left out.
func each(t *testing.T, dirs []string, visit func(*token.FileSet, ast.Node)) {
	t.Helper()
	for _, dir := range dirs {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no Go files in %s: %v", dir, err)
		}
		files := token.NewFileSet()
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if n != nil {
					visit(files, n)
				}
				return true
			})
		}
	}
}

// plain is text without the marks of Markdown, so that a message with `quotes` is found in a table.
func plain(text string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("`", "", `\|`, "|").Replace(text)), " ")
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

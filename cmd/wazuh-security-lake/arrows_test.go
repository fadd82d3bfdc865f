package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "wazuh-security-lake"

// arrows is who may import whom, of our own packages. Tests may import more; commands may import all.
var arrows = map[string][]string{
	"config":                  {},
	"tailer":                  {},
	"ocsf":                    {},
	"lake":                    {"ocsf", "lake/zstdpage"},
	"lake/zstdpage":           {},
	"spool":                   {},
	"relay":                   {"tailer", "ocsf", "lake", "spool"},
	"uploader":                {"spool"},
	"backfill":                {"tailer", "lake", "spool", "relay"},
	"audit":                   {"tailer", "spool", "backfill"},
	"setup":                   {},
	"ossec-integration":       {"ossec-integration/inbox"},
	"ossec-integration/inbox": {},
	"doctor":                  {"config", "ocsf", "lake", "spool", "uploader"},
	"cmd/wazuh-security-lake": {"doctor", "config", "tailer", "ocsf", "lake", "spool", "relay", "uploader", "setup", "ossec-integration/inbox", "backfill", "audit"},
}

// awsSDK may be imported in these places only.
var awsSDK = []string{"uploader", "setup", "doctor", "cmd/wazuh-security-lake"}

// pure packages touch neither clock, disk nor network.
var pure = map[string][]string{
	"ocsf": {"os", "net", "net/http", "io/ioutil", "os/exec"},
	"lake": {"os", "net", "net/http", "io/ioutil", "os/exec"},

	"lake/zstdpage": {"os", "net", "net/http", "io/ioutil", "os/exec"},
}

func TestImportArrows(t *testing.T) {
	for pkg, imports := range importsOf(t, "../..") {
		allowed, known := arrows[pkg]
		if !known {
			t.Errorf("package %s has no row in the table of import arrows", pkg)
			continue
		}
		for _, imp := range imports {
			if own, ok := strings.CutPrefix(imp, modulePath+"/"); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, which design section 2 does not allow", pkg, own)
			}
			if strings.HasPrefix(imp, "github.com/aws/") && !slices.Contains(awsSDK, pkg) {
				t.Errorf("%s imports the AWS SDK (%s)", pkg, imp)
			}
			if slices.Contains(pure[pkg], imp) {
				t.Errorf("%s is pure but imports %s", pkg, imp)
			}
			if strings.HasPrefix(pkg, "ossec-integration") && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
				t.Errorf("%s may use the standard library only, but imports %s", pkg, imp)
			}
		}
	}
}

// importsOf reads the imports of every package of the module, tests and test helpers left out.
func importsOf(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() && (rel == "test" || rel == "build" || strings.HasPrefix(d.Name(), ".") && rel != ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			found[pkg] = append(found[pkg], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 8 {
		t.Fatalf("found only %d packages below %s", len(found), root)
	}
	return found
}

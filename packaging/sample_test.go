package packaging

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wazuh-security-lake/config"
)

func TestSampleIsNotConfigured(t *testing.T) {
	loaded, err := config.Load("config.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = loaded.Validate()
	for _, path := range []string{"lake.destination", "lake.region", "lake.account_id"} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("the sample must not pass for a configuration: no fault about %s in %v", path, err)
		}
	}
	if got, want := strings.Count(err.Error(), "\n")+1, 3; got != want {
		t.Errorf("faults of the sample: got %d lines, want %d: %v", got, want, err)
	}
}

// What is commented out is the default, so a sample with every mark removed is valid and changes nothing.
func TestSampleShowsDefaults(t *testing.T) {
	key := regexp.MustCompile(`(?m)^( *)#( *)((?:- )?[a-z0-9_]+:)`)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(key.ReplaceAllString(read(t, "config.yaml"), "$1$2$3")), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(path, nil, map[string]string{"lake.destination": "s3://lake"}) // the one of the sample is no bucket name on purpose
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(); err != nil {
		t.Fatalf("sample with every key set: %v", err)
	}
	got, want := loaded.Config, config.Default()
	want.Lake.Destination, want.Lake.Region, want.Lake.AccountID = got.Lake.Destination, got.Lake.Region, got.Lake.AccountID
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w { // nil and empty lists print alike
		t.Errorf("sample with every key set:\n got %s\nwant %s", g, w)
	}
	for leaf := range loaded.Origins {
		if loaded.Origins[leaf].Kind == config.FromDefault && !strings.Contains(leaf, "exclude.") && !strings.Contains(leaf, "match.") {
			t.Errorf("the sample does not show %s", leaf)
		}
	}
}

func TestManualNamesEveryKey(t *testing.T) {
	page := strings.ReplaceAll(read(t, "man/wazuh-security-lake.5"), "\\", "")
	loaded, err := config.Load("config.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path := range loaded.Origins {
		leaf := path[strings.LastIndexByte(path, '.')+1:]
		if !regexp.MustCompile(`[. ]` + regexp.QuoteMeta(leaf) + `\b`).MatchString(page) {
			t.Errorf("wazuh-security-lake(5) does not name %s", path)
		}
	}
}

// A value that the manual offers is one that the program takes.
func TestManualOffersWhatIsTaken(t *testing.T) {
	page := read(t, "man/wazuh-security-lake.5")
	_, text, ok := strings.Cut(page, ".BR log.level \", \" log.format \", \" log.file\n")
	parts := strings.Split(text, ";")
	if !ok || len(parts) < 2 {
		t.Fatal("wazuh-security-lake(5) has no log.format")
	}
	for i, key := range []string{"log.level", "log.format"} {
		for _, value := range regexp.MustCompile(`[a-z]+`).FindAllString(strings.NewReplacer("(default)", "", " or ", " ").Replace(parts[i]), -1) {
			loaded, err := config.Load("config.yaml", nil, map[string]string{key: value})
			if err != nil {
				t.Fatal(err)
			}
			if err := loaded.Validate(); err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("wazuh-security-lake(5) offers %s: %s: %v", key, value, err)
			}
		}
	}
}

// Who has only the package follows no link into nothing: a page that a packaged page or a message of the program names is
// packaged too, in both formats.
func TestPackagedPagesAreComplete(t *testing.T) {
	contents, stage := read(t, "nfpm.yaml"), read(t, "build.sh")
	packaged := make(map[string]bool)
	for _, page := range regexp.MustCompile(`src: ([A-Z]+\.md)`).FindAllStringSubmatch(contents, -1) {
		packaged[page[1]] = true
	}
	wanted := map[string]string{"OPERATIONS.md": "wazuh-security-lake(5)"}
	for page := range packaged {
		for _, link := range regexp.MustCompile(`\]\(([A-Z]+\.md)`).FindAllStringSubmatch(read(t, "../docs/"+page), -1) {
			wanted[link[1]] = page
		}
	}
	for _, dir := range []string{"../cmd/wazuh-security-lake", "../doctor", "../setup"} {
		sources, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range sources {
			for _, named := range regexp.MustCompile(`docs/([A-Z]+\.md)`).FindAllStringSubmatch(read(t, file), -1) {
				wanted[named[1]] = file
			}
		}
	}
	for page, from := range wanted {
		if strings.Count(contents, "src: "+page) != 2 || !strings.Contains(stage, "docs/"+page) {
			t.Errorf("%s names %s, which is not in both packages", from, page)
		}
	}
}

// custom-security-lake is on nobody's PATH: a command in the guides names its place.
func TestGuidesNameThePlaceOfTheProgram(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	bare := regexp.MustCompile("(?m)(^|[^/a-z])custom-security-lake --.*")
	for _, page := range pages {
		for _, line := range bare.FindAllString(read(t, page), -1) {
			t.Errorf("%s: %q would be a command not found", page, line)
		}
	}
}

// The table of the README has every section's keys; those of sources and filter stand in one row each.
func TestReadmeNamesEveryKey(t *testing.T) {
	page := read(t, "../README.md")
	_, table, _ := strings.Cut(page, "| key | default | meaning |")
	table, _, _ = strings.Cut(table, "\n\n")
	loaded, err := config.Load("config.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path := range loaded.Origins {
		leaf := path[strings.LastIndexByte(path, '.')+1:]
		if !regexp.MustCompile("[`.]" + regexp.QuoteMeta(leaf) + "`").MatchString(table) {
			t.Errorf("README.md does not name %s", path)
		}
	}
}

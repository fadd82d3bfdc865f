package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wazuh-security-lake/config"
)

// stranger is a user that no file belongs to and that is in one group only.
func stranger(t *testing.T, groups ...int) Identity {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("looking as another user needs root")
	}
	return Identity{Name: "stranger", UID: 54321, GID: 54321, Groups: groups, other: true}
}

// manager makes the tree of a Wazuh manager with group 54322, as its packages do.
func manager(t *testing.T) config.Input {
	t.Helper()
	root, err := os.MkdirTemp("", "wsl-doctor-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	home := filepath.Join(root, "ossec")
	month := filepath.Join(home, "logs/alerts/2026/Nov")
	if err := os.MkdirAll(month, 0o750); err != nil {
		t.Fatal(err)
	}
	in := config.Input{Mode: config.ModeTail, Path: filepath.Join(home, "logs/alerts/alerts.json"), DatedDir: filepath.Join(home, "logs/alerts")}
	day := filepath.Join(month, "ossec-alerts-23.json")
	if err := os.WriteFile(day, []byte("{}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(day, in.Path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		for _, path := range []string{home, home + "/logs", home + "/logs/alerts", filepath.Dir(month), month, day} {
			if err := os.Chown(path, 0, 54322); err != nil {
				t.Fatal(err)
			}
		}
	}
	return in
}

func TestAlertsAccess(t *testing.T) {
	alerts := func(in config.Input) string { return filepath.Dir(in.Path) }
	for name, c := range map[string]struct {
		groups []int
		damage func(in config.Input) error
		detail string
		remedy string
	}{
		"all is well":        {groups: []int{54322}},
		"not in the group":   {detail: "/ossec (mode 0750, root:54322): stranger is not a member of group 54322", remedy: "usermod -a -G 54322 stranger"},
		"alerts without x":   {[]int{54322}, func(in config.Input) error { return os.Chmod(alerts(in), 0o740) }, "may not list", "chmod g+rx "},
		"alerts 0700":        {[]int{54322}, func(in config.Input) error { return os.Chmod(alerts(in), 0o700) }, "/logs/alerts (mode 0700, root:54322): the group's rx is missing", "chmod g+rx "},
		"file without r":     {[]int{54322}, func(in config.Input) error { return os.Chmod(in.Path, 0o600) }, ".json (mode 0600, root:54322): the group's r is missing", "chmod g+r "},
		"month without rx":   {[]int{54322}, func(in config.Input) error { return os.Chmod(in.DatedDir+"/2026/Nov", 0o700) }, "/2026/Nov (mode 0700", "chmod g+rx "},
		"both":               {nil, func(in config.Input) error { return os.Chmod(filepath.Dir(filepath.Dir(alerts(in))), 0o700) }, "the group's x is missing, and stranger is not a member of group 54322", "chmod g+x "},
		"own but unreadable": {[]int{54322}, func(in config.Input) error { return firstOf(os.Chown(in.Path, 54321, 54322), os.Chmod(in.Path, 0o040)) }, "the owner's r is missing", "chmod u+r "},
		"of group root":      {[]int{54322}, func(in config.Input) error { return os.Chown(alerts(in), 0, 0) }, "only root and its group may", "wazuh"},
	} {
		t.Run(name, func(t *testing.T) {
			id, in := stranger(t, c.groups...), manager(t)
			if c.damage != nil {
				if err := c.damage(in); err != nil {
					t.Fatal(err)
				}
			}
			r := checkAlertsAccess(in, id)(t.Context())
			if c.detail == "" {
				if r.Status != OK {
					t.Errorf("got %+v", r)
				}
				return
			}
			if r.Status != Fail || r.Fault != Permission || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("got %+v, want a failure with %q", r, c.detail)
			}
			if len(r.Remedy) == 0 || !strings.Contains(r.Remedy[0], c.remedy) {
				t.Errorf("remedy: got %q, want %q", r.Remedy, c.remedy)
			}
		})
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// The ids of another user belong to one thread: neither before, nor meanwhile, nor afterwards has the process them.
func TestAsAnotherUser(t *testing.T) {
	id := stranger(t, 54322)
	inside, groups := 0, 0
	during := make(chan int, 1)
	err := id.As(func() {
		inside = syscall.Geteuid()
		all, _ := syscall.Getgroups()
		groups = len(all)
		done := make(chan struct{})
		go func() { during <- syscall.Geteuid(); close(done) }()
		<-done
	})
	if err != nil {
		t.Fatal(err)
	}
	if inside != id.UID || groups != 1 {
		t.Errorf("inside: got uid %d and %d groups, want %d and 1", inside, groups, id.UID)
	}
	if got := <-during; got != 0 {
		t.Errorf("another goroutine meanwhile: got uid %d, want 0", got)
	}
	for range 50 {
		if got := syscall.Geteuid(); got != 0 {
			t.Fatalf("afterwards: got uid %d, want 0", got)
		}
	}
}

func TestLookup(t *testing.T) {
	self := Self()
	id, err := Lookup(self.Name)
	if err != nil {
		t.Skipf("this process's user has no name here: %v", err)
	}
	if id.other {
		t.Error("the process's own user is taken for another one")
	}
	if self.UID != 0 {
		return
	}
	id, err = Lookup("nobody")
	if err != nil {
		t.Skipf("no user nobody on this host: %v", err)
	}
	uid := 0
	if err := id.As(func() { uid = syscall.Geteuid() }); err != nil {
		t.Fatal(err)
	}
	if uid != id.UID || uid == 0 {
		t.Errorf("as nobody: got uid %d, want %d", uid, id.UID)
	}
}

func TestMissingAlerts(t *testing.T) {
	in := config.Input{Mode: config.ModeTail, Path: "/nonexistent/logs/alerts/alerts.json", DatedDir: "/nonexistent/logs/alerts"}
	if r := checkAlertsAccess(in, Self())(t.Context()); r.Status != Fail || r.Fault != NoInput {
		t.Errorf("got %+v", r)
	}
	in.Mode = config.ModeIntegration
	if r := checkAlertsAccess(in, Self())(t.Context()); r.Status != Skip {
		t.Errorf("integration: got %+v", r)
	}
}

// The lake as a directory: the remedy makes it the service's, and gives nothing to group wazuh.
func TestDirectoryOfALake(t *testing.T) {
	id := stranger(t)
	root := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(manager(t).Path)))), "srv")
	if err := os.MkdirAll(root+"/closed/lake", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root+"/closed", 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{root + "/lake": "install -d -o stranger " + root + "/lake", root + "/closed/lake": "choose a directory"} {
		r := checkDirectory(dir, id)(t.Context())
		if r.Fault != Permission || len(r.Remedy) != 1 || !strings.HasPrefix(r.Remedy[0], want) {
			t.Errorf("%s: %+v", dir, r)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"/var/ossec": "/var/ossec", "/a b": "'/a b'", "/it's;rm": `'/it'\''s;rm'`} {
		if got := quote(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

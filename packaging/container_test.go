package packaging

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"wazuh-security-lake/config"
)

// service is what the two examples say about the container, as far as it must agree with the image and the unit.
type service struct {
	user     string
	group    string
	env      map[string]string
	readOnly []string // mounted
	writable []string
	memory   string
	grace    string
}

// The examples have to fit the image, the unit and the configuration; there is no container engine to try them with.
func TestContainersFitTheUnit(t *testing.T) {
	dockerfile := read(t, "container/Dockerfile")
	one := func(text, form string) string {
		m := regexp.MustCompile(`(?m)` + form).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s", form)
		}
		return m[1]
	}
	unit := read(t, "systemd/wazuh-security-lake.service")
	image := strings.NewReplacer(`["`, "", `"]`, "", `", "`, " ")
	command := image.Replace(one(dockerfile, `^ENTRYPOINT (.*)$`)) + " " + image.Replace(one(dockerfile, `^CMD (.*)$`))
	if want := one(unit, `^ExecStart=(.*)$`); command != want {
		t.Errorf("the image runs %q, the unit %q", command, want)
	}
	user := one(dockerfile, `^USER (.*)$`)
	if got, want := one(read(t, "container/passwd"), `^wazuh-security-lake:x:(\d+:\d+):`), user; got != want {
		t.Errorf("passwd: got %s, want %s as in USER", got, want)
	}
	stop := constant(t, "../cmd/wazuh-security-lake/daemon.go", `const shipOnStop = (\d+) \* time\.Second`)
	for name, c := range map[string]service{"compose.yaml": compose(t), "sidecar.yaml": sidecar(t)} {
		t.Run(name, func(t *testing.T) {
			if c.user != user {
				t.Errorf("user: got %s, want %s", c.user, user)
			}
			if c.group == "" {
				t.Error("no group that reads the alerts")
			}
			if got, want := c.memory, strings.ToLower(one(unit, `^MemoryMax=(.*)$`)); strings.TrimSuffix(strings.ToLower(c.memory), "i") != want {
				t.Errorf("memory limit: got %s, want %s as in the unit", got, want)
			}
			if got, want := c.env["GOMEMLIMIT"], one(unit, `GOMEMLIMIT=(\S+)`); got != want {
				t.Errorf("GOMEMLIMIT: got %s, want %s as in the unit", got, want)
			}
			var grace int
			if _, err := fmt.Sscanf(c.grace, "%d", &grace); err != nil || grace < 2*stop {
				t.Errorf("time to stop: got %s, want at least %d s", c.grace, 2*stop)
			}
			if got, want := strings.Join(c.readOnly, " "), "/var/ossec/logs"; got != want {
				t.Errorf("mounted read-only: got %s, want %s", got, want)
			}
			state := config.Default().Spool.Dir
			if len(c.writable) == 0 || c.writable[0] != state {
				t.Errorf("mounted: got %v, want %s first", c.writable, state)
			}
			var environ []string
			for key, value := range c.env {
				environ = append(environ, key+"="+value)
			}
			empty := filepath.Join(t.TempDir(), "config.yaml") // not the one of this host
			if err := os.WriteFile(empty, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			loaded, err := config.Load(empty, environ, nil)
			if err == nil {
				err = loaded.Validate()
			}
			if err != nil {
				t.Fatalf("configuration of the example: %v", err)
			}
			if in := loaded.Config.Input; !strings.HasPrefix(in.Path, "/var/ossec/logs/") || !strings.HasPrefix(in.DatedDir, "/var/ossec/logs/") {
				t.Errorf("the alerts (%s, %s) are not on the mounted volume", in.Path, in.DatedDir)
			}
		})
	}
}

func compose(t *testing.T) service {
	t.Helper()
	var file struct {
		Services map[string]struct {
			User     string            `yaml:"user"`
			GroupAdd []string          `yaml:"group_add"`
			Env      map[string]string `yaml:"environment"`
			Memory   string            `yaml:"mem_limit"`
			Grace    string            `yaml:"stop_grace_period"`
			Volumes  []string          `yaml:"volumes"`
		} `yaml:"services"`
		Volumes map[string]any `yaml:"volumes"`
	}
	parse(t, "container/compose.yaml", &file)
	s := file.Services["wazuh-security-lake"]
	c := service{user: s.User, group: strings.Join(s.GroupAdd, ","), env: s.Env, memory: s.Memory, grace: s.Grace}
	for _, v := range s.Volumes {
		part := strings.Split(v, ":")
		if _, ok := file.Volumes[part[0]]; !ok || len(part) < 2 {
			t.Errorf("volume %s is not declared", v)
			continue
		}
		if len(part) == 3 && part[2] == "ro" {
			c.readOnly = append(c.readOnly, part[1])
		} else {
			c.writable = append(c.writable, part[1])
		}
	}
	return c
}

func sidecar(t *testing.T) service {
	t.Helper()
	var file struct {
		Spec struct {
			Template struct {
				Spec struct {
					Grace    int `yaml:"terminationGracePeriodSeconds"`
					Security struct {
						Group string `yaml:"fsGroup"`
					} `yaml:"securityContext"`
					Containers []struct {
						Security struct {
							User  int `yaml:"runAsUser"`
							Group int `yaml:"runAsGroup"`
						} `yaml:"securityContext"`
						Env []struct {
							Name  string `yaml:"name"`
							Value string `yaml:"value"`
							From  any    `yaml:"valueFrom"`
						} `yaml:"env"`
						Resources struct {
							Limits struct {
								Memory string `yaml:"memory"`
							} `yaml:"limits"`
						} `yaml:"resources"`
						Mounts []struct {
							Path     string `yaml:"mountPath"`
							ReadOnly bool   `yaml:"readOnly"`
						} `yaml:"volumeMounts"`
					} `yaml:"containers"`
				} `yaml:"spec"`
			} `yaml:"template"`
		} `yaml:"spec"`
	}
	parse(t, "container/sidecar.yaml", &file)
	pod := file.Spec.Template.Spec
	if len(pod.Containers) != 1 {
		t.Fatalf("got %d containers, want 1", len(pod.Containers))
	}
	s := pod.Containers[0]
	c := service{user: fmt.Sprintf("%d:%d", s.Security.User, s.Security.Group), group: pod.Security.Group, env: map[string]string{},
		memory: s.Resources.Limits.Memory, grace: fmt.Sprint(pod.Grace)}
	for _, e := range s.Env {
		c.env[e.Name] = e.Value
		if e.From != nil {
			c.env[e.Name] = "from-a-secret"
		}
	}
	for _, m := range s.Mounts {
		if m.ReadOnly {
			c.readOnly = append(c.readOnly, m.Path)
		} else {
			c.writable = append(c.writable, m.Path)
		}
	}
	return c
}

func parse(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, path)), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

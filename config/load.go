package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// Loaded is a configuration and where each of its values came from.
type Loaded struct {
	Config Config
	// File is the file that was read; empty when there was none at the default path.
	File string
	// Origins holds every YAML path of Config, defaults included.
	Origins map[string]Origin
	// Notices are for the log, once, at start: each variable of the Lambda integration in use, a file others may write.
	Notices []string
}

// Load reads the configuration: default < variables of the existing Lambda integration < file < WAZUH_LAKE_* < flags.
// environ is os.Environ's form; the keys of flags are YAML paths (lake.region, sources[0].name or sources.0.name).
//
// path names the file; it must exist. An empty path means WAZUH_LAKE_CONFIG, else DefaultPath; only the latter may be
// missing: a container needs nothing but variables, and Validate tells what they leave open.
//
// The error of a file that cannot be read wraps the one of the os package (fs.ErrNotExist, fs.ErrPermission). Every
// other error holds all *Fault found. Load does not validate, blocks only on reading the file and keeps
// nothing of its arguments.
func Load(path string, environ []string, flags map[string]string) (*Loaded, error) {
	return load(path, DefaultPath, environ, flags)
}

// Check is Load and Validate in one, for whoever mends a file: the error of a configuration that can be read as YAML holds
// the faults of both, what is misspelled and what breaks a rule.
func Check(path string, environ []string, flags map[string]string) (*Loaded, error) {
	l, found, err := layers(path, DefaultPath, environ, flags)
	if err != nil {
		return nil, err
	}
	understood := false
	for _, o := range l.Origins {
		understood = understood || o.Kind != FromDefault
	}
	if len(found) == 0 || understood { // else everything would be missing
		unread := make(map[string]bool)
		for _, f := range found {
			unread[f.Path] = true
		}
		for _, f := range broken(l.Config, l.Origins) {
			if !unread[f.Path] {
				found.add(f)
			}
		}
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	return l, nil
}

func load(path, fallback string, environ []string, flags map[string]string) (*Loaded, error) {
	l, found, err := layers(path, fallback, environ, flags)
	if err == nil {
		err = found.err()
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// layers reads the file, the variables and the flags. The faults are what could not be taken from them; the rest is in
// Loaded.
func layers(path, fallback string, environ []string, flags map[string]string) (*Loaded, faults, error) {
	env := newEnvironment(environ)
	explicit := path != ""
	if !explicit {
		path, explicit = env[variableConfig], env[variableConfig] != ""
	}
	if path == "" {
		path = fallback
	}
	data, mode, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		path, err = "", nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}

	l := &Loaded{Config: Default(), File: path, Origins: make(map[string]Origin)}
	var found faults
	d := &decoder{file: path, faults: &found, origins: l.Origins}
	d.decode(data, &l.Config)
	lambda := l.applyLambda(env, &found)
	l.applyEnvironment(env, &found)
	l.applyFlags(flags, &found)

	walkLeaves(reflect.ValueOf(&l.Config).Elem(), "", func(path string, _ reflect.Value) {
		if _, ok := l.Origins[path]; !ok {
			l.Origins[path] = Origin{Kind: FromDefault}
		}
	})
	for _, set := range lambda {
		if l.Origins[set.path].Kind == FromLambda {
			l.Notices = append(l.Notices, fmt.Sprintf("%s is set by the variable %s of the Lambda integration", set.path, set.variable))
		}
	}
	if mode.Perm()&0o022 != 0 {
		l.Notices = append(l.Notices, fmt.Sprintf("%s may be written by others than its owner (mode %04o)", path, mode.Perm()))
	}
	return l, found, nil
}

// readFile reads at most one byte more than decode accepts. It refuses what is no regular file: a FIFO would block.
func readFile(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s: %w: not a regular file", path, fs.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return data, info.Mode(), err
}

// set gives the leaf at keys a value that is not from the file.
func (l *Loaded) set(keys []string, text string, origin Origin) *Fault {
	leaf, path, err := leafAt(reflect.ValueOf(&l.Config).Elem(), keys)
	if err != nil {
		return &Fault{Rule: err.Error(), Where: origin}
	}
	if !utf8.ValidString(text) {
		return &Fault{Path: path, Rule: "must be UTF-8", Where: origin}
	}
	if err := setLeaf(leaf, text); err != nil {
		return &Fault{Path: path, Rule: err.Error(), Got: maskValue(path, shorten(text)), Where: origin}
	}
	l.Origins[path] = origin
	return nil
}

func (l *Loaded) applyFlags(flags map[string]string, found *faults) {
	names := make([]string, 0, len(flags))
	for name := range flags {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		keys := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(name), ".")
		if fault := l.set(keys, flags[name], Origin{Kind: FromFlag, Name: name}); fault != nil {
			found.add(fault)
		}
	}
}

package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// SourcePin is what must never change under the name of a custom source.
type SourcePin struct {
	Name        string `json:"name"`
	Class       string `json:"class"`
	OCSFVersion string `json:"ocsfVersion"`
	SchemaHash  string `json:"schemaHash"`
	// First is the position at which the source was first fed; kept from the first pin. Opaque here.
	First json.RawMessage `json:"first,omitempty"`
}

type sourcesFile struct {
	Version int         `json:"version"`
	Sources []SourcePin `json:"sources"`
	CRC     string      `json:"crc"`
}

func (l layout) readSources() ([]SourcePin, error) {
	data, err := l.readFile(l.top(sourcesName), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f sourcesFile
	if err := unseal(data, l.top(sourcesName), &f); err != nil {
		if errors.Is(err, ErrFormat) {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w: %w", sourcesName, ErrCorrupt, err)
	}
	return f.Sources, nil
}

// PinSources holds the configured sources against sources.json and adds the new ones. Known sources that are
// no longer configured stay pinned. On return without error the file is durable. *PinError: a known source
// changed; nothing is written then.
func (s *Spool) PinSources(pins []SourcePin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	known, err := s.readSources()
	if errors.Is(err, ErrCorrupt) {
		// The file is replaced by rename only, so this is disk damage. Pins protect a source from its own
		// configuration; refusing to ship over them would turn a lost guard into an outage.
		s.log.Error("sources.json does not match its checksum: pinning the configured sources anew", "err", err)
		known, err = nil, nil
	}
	if err != nil {
		return err
	}
	next := slices.Clone(known)
	for _, p := range pins {
		i := slices.IndexFunc(known, func(k SourcePin) bool { return k.Name == p.Name })
		if i < 0 {
			next = append(next, p)
			continue
		}
		k := known[i]
		switch {
		case k.Class != p.Class:
			return &PinError{Source: p.Name, Attribute: "class", Was: k.Class, Is: p.Class}
		case k.OCSFVersion != p.OCSFVersion:
			return &PinError{Source: p.Name, Attribute: "ocsf_version", Was: k.OCSFVersion, Is: p.OCSFVersion}
		case k.SchemaHash != p.SchemaHash:
			return &PinError{Source: p.Name, Attribute: "schema", Was: k.SchemaHash, Is: p.SchemaHash}
		}
	}
	if len(next) == len(known) {
		return nil
	}
	slices.SortFunc(next, func(a, b SourcePin) int { return strings.Compare(a.Name, b.Name) })
	data, err := seal(sourcesFile{Version: ManifestVersion, Sources: next})
	if err != nil {
		return fmt.Errorf("encode %s: %w", sourcesName, err)
	}
	if err := s.writeAtomic(s.top(sourcesName), append(data, '\n'), modeRecord); err != nil {
		return fmt.Errorf("pin sources: %w", full(err))
	}
	return nil
}

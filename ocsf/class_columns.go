package ocsf

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Column is one leaf of a class schema: what becomes one Parquet column.
type Column struct {
	Path string // evidences[].src_endpoint.ip, observables[].name, finding_info.types[], unmapped
	Attr *Attr  // the leaf attribute
}

// Columns returns the leaves of the class in column order: depth first, each list marked with "[]".
// The slice belongs to the caller.
func (c *Class) Columns() []Column { return appendColumns(nil, "", c.Root) }

func appendColumns(cols []Column, prefix string, t *ObjectType) []Column {
	for i := range t.Attrs {
		a := &t.Attrs[i]
		path := prefix + a.Name
		if a.List {
			path += "[]"
		}
		if a.Kind == KindObject {
			cols = appendColumns(cols, path+".", a.Object)
		} else {
			cols = append(cols, Column{Path: path, Attr: a})
		}
	}
	return cols
}

// Golden is the schema as text, one leaf a line: path, kind, OCSF type. It is what a source is pinned to.
// Of two releases of this program the later one may only have added lines of a new top-level attribute at the end.
func (c *Class) Golden() string {
	var b strings.Builder
	for _, col := range c.Columns() {
		b.WriteString(col.Path + "\t" + col.Attr.Kind.String() + "\t" + col.Attr.Type + "\n")
	}
	return b.String()
}

// Fingerprint is the hash of Golden, pinned in the spool for each source: a source whose class has another one must not
// be written to under the same name.
func (c *Class) Fingerprint() string {
	sum := sha256.Sum256([]byte(c.Name + " " + c.Version + "\n" + c.Golden()))
	return hex.EncodeToString(sum[:])
}

// String names the kind as Golden and messages show it.
func (k Kind) String() string {
	switch k {
	case KindString:
		return "string"
	case KindInt:
		return "int32"
	case KindLong:
		return "int64"
	case KindFloat:
		return "double"
	case KindBool:
		return "bool"
	case KindTime:
		return "timestamp"
	case KindObject:
		return "struct"
	case KindMap:
		return "map"
	}
	return "invalid"
}

package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"wazuh-security-lake/ocsf"
)

// schemaNode is one element of a Parquet schema, be it of a class or of a file. A file's is read from its footer and
// not from the library's view of it, which adds annotations that are not there.
type schemaNode struct {
	repetition string // optional, required, repeated; "" for the root
	physical   string // "" for a group
	name       string
	annotation string // " (STRING)" or ""
	children   []*schemaNode
}

// SchemaText returns the Parquet schema of class as a message type: what every object of the class has in its footer.
func SchemaText(class *ocsf.Class) string { return classSchema(class).String() }

// SchemaHash identifies the columns of class, their order and their types: 16 hex digits that are the same exactly
// when SchemaText is. Objects of one source must all have the same.
func SchemaHash(class *ocsf.Class) string {
	sum := sha256.Sum256([]byte(SchemaText(class)))
	return hex.EncodeToString(sum[:8])
}

func classSchema(class *ocsf.Class) *schemaNode {
	return &schemaNode{name: rootName, children: objectSchema(class.Root)}
}

func objectSchema(t *ocsf.ObjectType) []*schemaNode {
	nodes := make([]*schemaNode, len(t.Attrs))
	for i := range t.Attrs {
		a := &t.Attrs[i]
		switch {
		case a.Kind == ocsf.KindMap:
			nodes[i] = &schemaNode{"optional", "", a.Name, " (MAP)", []*schemaNode{{"repeated", "", "key_value", "", []*schemaNode{
				{repetition: "required", physical: "binary", name: "key", annotation: " (STRING)"},
				{repetition: "optional", physical: "binary", name: "value", annotation: " (STRING)"},
			}}}}
		case a.List:
			nodes[i] = &schemaNode{"optional", "", a.Name, " (LIST)", []*schemaNode{{"repeated", "", "list", "",
				[]*schemaNode{elementSchema(a, "element")}}}}
		default:
			nodes[i] = elementSchema(a, a.Name)
		}
	}
	return nodes
}

func elementSchema(a *ocsf.Attr, name string) *schemaNode {
	n := &schemaNode{repetition: "optional", name: name}
	switch a.Kind {
	case ocsf.KindObject:
		n.children = objectSchema(a.Object)
	case ocsf.KindInt:
		n.physical = "int32"
	case ocsf.KindLong:
		n.physical = "int64"
	case ocsf.KindFloat:
		n.physical = "double"
	case ocsf.KindBool:
		n.physical = "boolean"
	case ocsf.KindTime:
		n.physical, n.annotation = "int64", " (TIMESTAMP(MILLIS,true))"
	default:
		n.physical, n.annotation = "binary", " (STRING)"
	}
	return n
}

// fileSchema reads the flattened schema of a footer. The error is one that is no tree.
func fileSchema(elements []format.SchemaElement) (*schemaNode, error) {
	root, rest, err := elementTree(elements, 0)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d schema elements too many", len(rest))
	}
	if err != nil {
		return nil, err
	}
	root.repetition, root.name = "", rootName
	return root, nil
}

func elementTree(elements []format.SchemaElement, depth int) (*schemaNode, []format.SchemaElement, error) {
	const deepest = 64 // the schema is the file's, and so is the recursion
	if len(elements) == 0 || depth > deepest {
		return nil, nil, fmt.Errorf("schema is no tree")
	}
	e := &elements[0]
	rest := elements[1:]
	n := &schemaNode{name: e.Name, annotation: annotation(e.LogicalType, e.ConvertedType.V, e.ConvertedType.Valid)}
	n.repetition = strings.ToLower(e.RepetitionType.V.String())
	if e.Type.Valid {
		n.physical = physicalName(e.Type.V)
		return n, rest, nil
	}
	for range e.NumChildren.V {
		child, r, err := elementTree(rest, depth+1)
		if err != nil {
			return nil, nil, err
		}
		n.children, rest = append(n.children, child), r
	}
	return n, rest, nil
}

// String prints the schema below n as a message type.
func (n *schemaNode) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "message %s {\n", n.name)
	for _, c := range n.children {
		c.lines(&b, "\t")
	}
	b.WriteString("}\n")
	return b.String()
}

func (n *schemaNode) lines(b *strings.Builder, indent string) {
	if n.physical != "" {
		fmt.Fprintf(b, "%s%s %s %s%s;\n", indent, n.repetition, n.physical, n.name, n.annotation)
		return
	}
	fmt.Fprintf(b, "%s%s group %s%s {\n", indent, n.repetition, n.name, n.annotation)
	for _, c := range n.children {
		c.lines(b, indent+"\t")
	}
	b.WriteString(indent + "}\n")
}

// leafSchema is one column with everything that its place in the schema says.
type leafSchema struct {
	path string // dotted
	kind string // "int64 (TIMESTAMP(MILLIS,true))"
	text string // with the groups above it
}

// leafSchemas lists the columns below n in column order.
func (n *schemaNode) leafSchemas(path, text string, dst []leafSchema) []leafSchema {
	for _, c := range n.children {
		p := c.name
		if path != "" {
			p = path + "." + c.name
		}
		if c.physical != "" {
			kind := c.physical + c.annotation
			dst = append(dst, leafSchema{p, kind, text + c.repetition + " " + kind})
			continue
		}
		dst = c.leafSchemas(p, text+c.repetition+" group"+c.annotation+" / ", dst)
	}
	return dst
}

func physicalName(t format.Type) string {
	if t == format.ByteArray {
		return "binary"
	}
	return strings.ToLower(t.String())
}

// annotation names the logical type, or the converted type of older writers that says the same.
func annotation(lt format.LogicalType, ct deprecated.ConvertedType, hasConverted bool) string {
	switch v := lt.Value.(type) {
	case nil:
	case *format.StringType:
		return " (STRING)"
	case *format.ListType:
		return " (LIST)"
	case *format.MapType:
		return " (MAP)"
	case *format.TimestampType:
		return fmt.Sprintf(" (TIMESTAMP(%s,%t))", timeUnit(v), v.IsAdjustedToUTC)
	default:
		return fmt.Sprintf(" (%v)", v)
	}
	if !hasConverted {
		return ""
	}
	switch ct {
	case deprecated.UTF8:
		return " (STRING)"
	case deprecated.List:
		return " (LIST)"
	case deprecated.Map, deprecated.MapKeyValue:
		return " (MAP)"
	case deprecated.TimestampMillis:
		return " (TIMESTAMP(MILLIS,true))"
	}
	return fmt.Sprintf(" (%v)", ct)
}

func timeUnit(t *format.TimestampType) string {
	switch t.Unit.Value.(type) {
	case *format.MicroSeconds:
		return "MICROS"
	case *format.NanoSeconds:
		return "NANOS"
	}
	return "MILLIS"
}

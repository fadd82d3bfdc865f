package lake

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"wazuh-security-lake/lake/zstdpage"
	"wazuh-security-lake/ocsf"
)

// rootName is the name of the Parquet root group. No reader looks at it; it must only never change.
const rootName = "event"

// unmappedName is the one attribute whose value stands beside the object tree, in ocsf.Event.Unmapped.
const unmappedName = "unmapped"

// layout is a class compiled for writing: its tree and the Parquet schema of that. It is shared by nothing: one
// Encoder, one layout.
type layout struct {
	tree
	schema *parquet.Schema
}

// tree is the object tree of a class with the Dremel levels of every attribute, and the leaf columns in Parquet order.
type tree struct {
	class  *ocsf.Class
	root   *node
	leaves []leaf
	around []int // by spine, the spine of the object around it; -1 for the root
	time   int   // slot of "time" in the root
}

// node is one object type at one place of the tree. Its levels are spine, a number in preorder.
type node struct {
	spine   int
	attrs   []attr
	mapping int // the attribute of KindMap, or -1
}

// attr is one attribute of a node. Its columns are leaves[first:last]; a scalar has exactly one.
type attr struct {
	kind        ocsf.Kind
	list        bool
	first, last int
	rep         uint8 // repetition level of the 2nd and later elements (lists and maps)
	child       *node // KindObject
}

// leaf is one Parquet column.
type leaf struct {
	path   []string
	spine  int // of the object it is an attribute of
	kind   ocsf.Kind
	maxDef uint8
	maxRep uint8
	dict   bool // RLE_DICTIONARY with bounds; otherwise PLAIN, and text then has no bounds
	// plain is set while the object at hand has the column in PLAIN although it may have a dictionary: see Encoder.
	plain bool
	// texts is how the texts of the object at hand repeat, once it was looked at.
	texts   zstdpage.Kind
	sampled bool
}

// encoding is that of the object at hand.
func (l *leaf) encoding() encoding.Encoding {
	if l.dict && !l.plain {
		return &parquet.RLEDictionary
	}
	return &parquet.Plain
}

// bounded reports whether pages and chunks have bounds.
func (l *leaf) bounded() bool { return l.dict || l.kind != ocsf.KindString }

// twin reports whether the chunks of two leaves are the same bytes if their values and levels are the same.
func (l *leaf) twin(m *leaf) bool {
	return l.physical() == m.physical() && l.dict == m.dict && l.plain == m.plain && l.maxDef == m.maxDef && l.maxRep == m.maxRep
}

// variant is that of the slots that can serve the column as it is encoded in the object at hand.
func (l *leaf) variant() variant { return variant{l.physical(), l.dict && !l.plain, l.bounded()} }

// physical is the kind that stands for all that have the same Parquet type.
func (l *leaf) physical() ocsf.Kind {
	if l.kind == ocsf.KindTime {
		return ocsf.KindLong
	}
	return l.kind
}

// maxLevel is the deepest definition or repetition level that fits the four bits the encoder keeps for each.
const maxLevel = 15

// newLayout compiles c. The only errors are programming errors in a class: an unknown kind, a map below the root, or
// nesting too deep.
func newLayout(c *ocsf.Class) (*layout, error) {
	t, err := newTree(c)
	if err != nil {
		return nil, err
	}
	l := &layout{tree: *t}
	fields, err := l.group(l.root, c.Root)
	if err != nil {
		return nil, fmt.Errorf("class %s: %w", c, err)
	}
	l.schema = parquet.NewSchema(rootName, fields)
	if got := len(l.schema.Columns()); got != len(l.leaves) {
		return nil, fmt.Errorf("class %s: %d leaves, but the schema has %d columns", c, len(l.leaves), got)
	}
	return l, nil
}

// newTree compiles c without the schema; the errors are those of newLayout.
func newTree(c *ocsf.Class) (*tree, error) {
	isTime := func(a ocsf.Attr) bool { return a.Name == "time" && a.Kind == ocsf.KindLong && !a.List }
	t := &tree{class: c, time: slices.IndexFunc(c.Root.Attrs, isTime)}
	if t.time < 0 {
		return nil, fmt.Errorf("class %s has no attribute time to sort by", c)
	}
	var err error
	if t.root, err = t.object(c.Root, nil, -1, 0, 0); err != nil {
		return nil, fmt.Errorf("class %s: %w", c, err)
	}
	return t, nil
}

// object compiles o at path, below the spine around; def and rep are the levels of a present instance of it.
func (t *tree) object(o *ocsf.ObjectType, path []string, around int, def, rep uint8) (*node, error) {
	n := &node{spine: len(t.around), attrs: make([]attr, len(o.Attrs)), mapping: -1}
	t.around = append(t.around, around)
	for i := range o.Attrs {
		oa := &o.Attrs[i]
		if err := t.attribute(&n.attrs[i], oa, join(path, oa.Name), n.spine, def, rep); err != nil {
			return nil, err
		}
		if oa.Kind == ocsf.KindMap {
			n.mapping = i
		}
	}
	if len(o.Attrs) == 0 {
		return nil, fmt.Errorf("object %s has no attribute, which Parquet cannot express", o.Name)
	}
	return n, nil
}

func (t *tree) attribute(a *attr, oa *ocsf.Attr, path []string, spine int, def, rep uint8) error {
	*a = attr{kind: oa.Kind, list: oa.List, first: len(t.leaves), rep: rep}
	defer func() { a.last = len(t.leaves) }()
	if def+3 > maxLevel {
		return fmt.Errorf("attribute %v is nested too deep", path)
	}
	if oa.Kind == ocsf.KindMap {
		if len(path) != 1 || oa.List || oa.Name != unmappedName {
			return fmt.Errorf("attribute %v: only the root attribute %q may be a map", path, unmappedName)
		}
		a.rep = rep + 1
		t.leaf(join(path, "key_value", "key"), spine, ocsf.KindString, def+2, rep+1, true)
		t.leaf(join(path, "key_value", "value"), spine, ocsf.KindString, def+3, rep+1, false)
		return nil
	}
	elementPath := path
	if oa.List {
		elementPath = join(path, "list", "element")
		def, rep = def+2, rep+1
		a.rep = rep
	}
	if oa.Kind == ocsf.KindObject {
		if oa.Object == nil {
			return fmt.Errorf("attribute %v has no object type", path)
		}
		var err error
		a.child, err = t.object(oa.Object, elementPath, spine, def+1, rep)
		return err
	}
	if oa.Kind < ocsf.KindString || oa.Kind > ocsf.KindTime {
		return fmt.Errorf("attribute %v has the unknown kind %d", path, oa.Kind)
	}
	t.leaf(elementPath, spine, oa.Kind, def+1, rep, wantsDictionary(oa, path))
	return nil
}

// leaf adds a column.
func (t *tree) leaf(path []string, spine int, kind ocsf.Kind, def, rep uint8, dict bool) {
	t.leaves = append(t.leaves, leaf{path: path, spine: spine, kind: kind, maxDef: def, maxRep: rep, dict: dict})
}

// group is the schema of the object type o at n.
func (l *layout) group(n *node, o *ocsf.ObjectType) (ordered, error) {
	fields := make([]parquet.Field, len(o.Attrs))
	group := make(parquet.Group, len(o.Attrs))
	for i := range o.Attrs {
		oa := &o.Attrs[i]
		if group[oa.Name] != nil {
			return ordered{}, fmt.Errorf("attribute %s stands twice in object %s", oa.Name, o.Name)
		}
		pn, err := l.node(&n.attrs[i], oa)
		if err != nil {
			return ordered{}, err
		}
		fields[i] = field{pn, oa.Name}
		group[oa.Name] = pn
	}
	return ordered{group, fields}, nil
}

func (l *layout) node(a *attr, oa *ocsf.Attr) (parquet.Node, error) {
	if a.kind == ocsf.KindMap {
		return parquet.Optional(parquet.Map(l.column(a.first), parquet.Optional(l.column(a.first+1)))), nil
	}
	var element parquet.Node
	if a.kind == ocsf.KindObject {
		fields, err := l.group(a.child, oa.Object)
		if err != nil {
			return nil, err
		}
		element = fields
	} else {
		element = l.column(a.first)
	}
	if a.list {
		return parquet.Optional(parquet.List(parquet.Optional(element))), nil
	}
	return parquet.Optional(element), nil
}

// column returns the node of a column, without the Optional around it.
func (l *layout) column(i int) parquet.Node {
	return encodedLeaf{parquet.Leaf(copied{valueType(l.leaves[i].kind, l.leaves[i].dict)}), l, i}
}

// valueType is the Parquet type of a column.
func valueType(kind ocsf.Kind, dict bool) parquet.Type {
	switch kind {
	case ocsf.KindInt:
		return bare{parquet.Int32Type}
	case ocsf.KindLong:
		return bare{parquet.Int64Type}
	case ocsf.KindFloat:
		return parquet.DoubleType
	case ocsf.KindBool:
		return parquet.BooleanType
	case ocsf.KindTime:
		return parquet.Timestamp(parquet.Millisecond).Type()
	}
	if dict {
		return parquet.String().Type()
	}
	return unbounded{parquet.String().Type()}
}

// encodedLeaf is the node of a column. The library asks it for the encoding whenever a writer is made.
type encodedLeaf struct {
	parquet.Node
	layout *layout
	leaf   int
}

func (n encodedLeaf) Encoding() encoding.Encoding { return n.layout.leaves[n.leaf].encoding() }

// copied is the type of a column of an object: its chunks are copied from a stage, see stage.move, so it never has values
// of its own, and the library need not make a dictionary for it, which takes 8 KiB.
type copied struct{ parquet.Type }

func (t copied) NewDictionary(int, int, encoding.Values) parquet.Dictionary {
	return noDictionary{typ: t.Type}
}

type noDictionary struct {
	parquet.Dictionary
	typ parquet.Type
}

func (d noDictionary) Type() parquet.Type { return d.typ }
func (noDictionary) Len() int             { return 0 }
func (noDictionary) Size() int64          { return 0 }
func (noDictionary) Reset()               {}

// longText names attributes whose values are long, free and rarely the same twice: a dictionary would only cost, and
// their bounds, which Parquet keeps whole in the footer, would help no query.
var longText = []string{
	"cmd_line", "comment", "data", "desc", "message", "path", "query_string", "raw_data", "requirements", "src_url",
	"status_detail", "text", "url_string", "user_agent", "value_text",
}

// identified names the root attributes whose uid is another one in every alert: a dictionary of them would fill up long
// before the row group does, and end it.
var identified = []string{"finding", "finding_info", "metadata"}

// wantsDictionary decides the encoding of the attribute at path. Numbers repeat (ids, ports, levels) except for
// instants, which are nearly unique and sorted.
func wantsDictionary(oa *ocsf.Attr, path []string) bool {
	root := len(path) == 1
	switch oa.Kind {
	case ocsf.KindString:
		if oa.Type == "json_t" || slices.Contains(longText, oa.Name) {
			return false
		}
		return len(path) != 2 || oa.Name != "uid" || !slices.Contains(identified, path[0])
	case ocsf.KindInt:
		return true
	case ocsf.KindLong:
		// timestamp_t is an instant; type_uid and sizes repeat.
		return oa.Type != "timestamp_t" && !(root && oa.Name == "time")
	default:
		return false
	}
}

func join(path []string, names ...string) []string {
	return append(append(make([]string, 0, len(path)+len(names)), path...), names...)
}

// field and ordered are a parquet.Group that keeps our column order; the library's own sorts by name.
type field struct {
	parquet.Node
	name string
}

func (f field) Name() string { return f.name }

// Value is only called by the row-oriented paths of the library, which this package does not use.
func (f field) Value(reflect.Value) reflect.Value { panic("lake: schema is column-oriented only") }

type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func (o ordered) Fields() []parquet.Field { return o.fields }

// bare is an integer without the INT(n,true) annotation: AWS's own files have none, and Glue types need none.
type bare struct{ parquet.Type }

func (bare) LogicalType() *format.LogicalType         { return nil }
func (bare) ConvertedType() *deprecated.ConvertedType { return nil }

// unbounded is text without bounds. Leaving bounds out by the library's SkipPageBounds alone writes a column index
// that claims min = max = "", by which an engine may skip pages that hold the row it looks for; so this type brings
// its own indexer, whose bounds are valid and as wide as text can be. It works for PLAIN only: a dictionary would
// wrap the inner type.
type unbounded struct{ parquet.Type }

func (unbounded) NewColumnIndexer(int) parquet.ColumnIndexer { return &wideIndexer{} }

// wideMax is not below any valid UTF-8 text of practical use: U+10FFFF is the greatest code point.
const wideMax = "\U0010FFFF\U0010FFFF\U0010FFFF\U0010FFFF"

type wideIndexer struct {
	nullPages  []bool
	nullCounts []int64
}

func (x *wideIndexer) Reset() { x.nullPages, x.nullCounts = x.nullPages[:0], x.nullCounts[:0] }

func (x *wideIndexer) IndexPage(numValues, numNulls int64, _, _ parquet.Value) {
	x.nullPages = append(x.nullPages, numValues == numNulls)
	x.nullCounts = append(x.nullCounts, numNulls)
}

// ColumnIndex returns slices of its own: the library keeps them until the footer is written, past the next Reset.
func (x *wideIndexer) ColumnIndex() format.ColumnIndex {
	ci := format.ColumnIndex{
		NullPages:     slices.Clone(x.nullPages),
		NullCounts:    slices.Clone(x.nullCounts),
		MinValues:     make([][]byte, len(x.nullPages)),
		MaxValues:     make([][]byte, len(x.nullPages)),
		BoundaryOrder: format.Unordered,
	}
	for i, null := range x.nullPages {
		ci.MinValues[i], ci.MaxValues[i] = []byte{}, []byte{}
		if !null {
			ci.MaxValues[i] = []byte(wideMax)
		}
	}
	return ci
}

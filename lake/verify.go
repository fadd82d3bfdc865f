package lake

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"wazuh-security-lake/ocsf"
)

// The rules of Verify, as they stand in Fault.Rule.
const (
	RuleReadable   = "readable"        // the file is whole Parquet
	RulePath       = "path"            // ext/<source>/region=/accountId=/eventDay=/<name>.parquet
	RuleCodec      = "codec"           // every column chunk is ZSTD
	RuleEncoding   = "encoding"        // PLAIN and RLE_DICTIONARY, levels in RLE
	RulePageSize   = "page_size"       // at most 1 MB uncompressed
	RuleGroupSize  = "row_group_size"  // at most 256 MB compressed
	RuleSchema     = "schema"          // exactly the columns of the class its rows name
	RuleClass      = "class"           // one class and one OCSF version, both known
	RuleDay        = "event_day"       // the rows are of the partition's UTC day, or at least of one
	RuleSorted     = "sorted"          // by time, over the whole object
	RuleSorting    = "sorting_columns" // and the footer says so
	RuleBounds     = "bounds"          // min and max hold for every value
	RuleText       = "utf8"            // text is UTF-8
	RuleUniqueKeys = "unique_keys"     // no key twice in one map
	RuleEmpty      = "empty"           // an object without rows has no place in the lake
)

// The limits of Security Lake for custom sources.
const (
	maxDataPage = 1 << 20
	maxRowGroup = 256 << 20
)

// maxFaults is how many faults of one rule are listed; the next one says that there are more.
const maxFaults = 10

// Fault is one deviation of a file from the contract.
type Fault struct {
	File      string `json:"file"`
	Row       int64  `json:"row"`                 // from 0; -1: not of one row
	Attribute string `json:"attribute,omitempty"` // dotted column path
	Rule      string `json:"rule"`
	Message   string `json:"message"`
}

// String returns the fault as one line.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Row >= 0 {
		fmt.Fprintf(&b, ": row %d", f.Row)
	}
	if f.Attribute != "" {
		b.WriteString(": " + f.Attribute)
	}
	return b.String() + ": " + f.Rule + ": " + f.Message
}

// Verify checks the file r of size bytes against Security Lake's contract for custom sources and returns what
// deviates; nil is a good file. path is its key, or the path of a local copy that ends in the key; with "" the rules
// that need it are left out, and the faults name no file. A file that cannot be read is one fault of RuleReadable.
func Verify(r io.ReaderAt, size int64, path string) []Fault {
	v := &verifier{path: path, count: make(map[string]int)}
	if path != "" {
		if _, p, _, err := ParseKey(path); err != nil {
			v.fault(-1, "", RulePath, "%v", err)
		} else {
			v.day, v.hasDay = p.Day, true
		}
	}
	f, err := openFile(r, size)
	if err == nil {
		err = v.file(f, r, size)
	}
	if err != nil {
		v.fault(-1, "", RuleReadable, "%v", err)
	}
	return v.faults
}

type verifier struct {
	path   string
	day    Date
	hasDay bool
	faults []Fault
	count  map[string]int
}

func (v *verifier) fault(row int64, attribute, rule, message string, args ...any) {
	v.count[rule]++
	switch n := v.count[rule]; {
	case n <= maxFaults:
		v.faults = append(v.faults, Fault{v.path, row, attribute, rule, fmt.Sprintf(message, args...)})
	case n == maxFaults+1:
		v.faults = append(v.faults, Fault{v.path, -1, "", rule, "more faults of this rule are not listed"})
	}
}

// file checks an open file: what the footer says, then every row, then the bounds against the pages.
func (v *verifier) file(f *parquet.File, r io.ReaderAt, size int64) error {
	info, err := inspect(f, r, size)
	if err != nil {
		return err
	}
	v.storage(info)
	if info.Rows == 0 {
		v.fault(-1, "", RuleEmpty, "the object has no rows")
		return nil
	}
	class, err := v.rows(f)
	if err != nil {
		return err
	}
	if class != nil {
		v.schema(f, class)
	}
	return v.bounds(f)
}

// storage checks codec, encodings, sizes and sorting as the footer and the page headers have them.
func (v *verifier) storage(info *Info) {
	for i, g := range info.RowGroups {
		if g.Compressed > maxRowGroup {
			v.fault(-1, "", RuleGroupSize, "row group %d has %d bytes, more than %d", i, g.Compressed, maxRowGroup)
		}
		if len(g.Sorting) == 0 || g.Sorting[0] != "time ascending" {
			v.fault(-1, "", RuleSorting, "row group %d is not declared as sorted by time", i)
		}
		for _, c := range g.Columns {
			if c.Codec != format.Zstd.String() {
				v.fault(-1, c.Path, RuleCodec, "row group %d is compressed with %s", i, c.Codec)
			}
			for _, e := range c.Encodings {
				if e != format.Plain.String() && e != format.RLEDictionary.String() {
					v.fault(-1, c.Path, RuleEncoding, "row group %d has pages in %s", i, e)
				}
			}
			if n := max(c.MaxPage, c.Dictionary); n > maxDataPage {
				v.fault(-1, c.Path, RulePageSize, "row group %d has a page of %d bytes uncompressed, more than %d", i, n, maxDataPage)
			}
		}
	}
}

// rows checks what every row says and returns the class they name, nil if that is none we know.
func (v *verifier) rows(f *parquet.File) (*ocsf.Class, error) {
	missing := false
	leaf := func(kind parquet.Kind, path ...string) int {
		if c, ok := f.Schema().Lookup(path...); ok && c.Node.Type().Kind() == kind && c.MaxRepetitionLevel == 0 {
			return int(c.ColumnIndex)
		}
		v.fault(-1, strings.Join(path, "."), RuleSchema, "the column is missing or of another type")
		missing = true
		return -1
	}
	timeLeaf := leaf(parquet.Int64, "time")
	classLeaf := leaf(parquet.Int32, "class_uid")
	versionLeaf := leaf(parquet.ByteArray, "metadata", "version")
	if missing {
		return nil, nil
	}
	texts := textLeaves(f)
	var uid int64
	var version string
	last := int64(0)
	err := eachRow(f, func(n int64, d *rowDecoder) error {
		v.text(n, d, texts)
		u, w := d.value(classLeaf), d.value(versionLeaf)
		switch {
		case u.IsNull() || w.IsNull():
			v.fault(n, "class_uid", RuleClass, "the row names no class or no metadata.version")
		case version == "":
			uid, version = int64(u.Int32()), string(w.ByteArray())
		case uid != int64(u.Int32()) || version != string(w.ByteArray()):
			v.fault(n, "class_uid", RuleClass, "class %d of OCSF %q in an object of class %d of OCSF %q", u.Int32(), w.ByteArray(), uid, version)
		}
		t := d.value(timeLeaf)
		if t.IsNull() {
			v.fault(n, "time", RuleSorted, "the row has no time")
			return nil
		}
		ms := t.Int64()
		if !v.hasDay {
			v.day, v.hasDay = DateOf(ms), true
		}
		if day := DateOf(ms); day != v.day {
			v.fault(n, "time", RuleDay, "time %d is of %s, not of %s", ms, day, v.day)
		}
		if n > 0 && ms < last {
			v.fault(n, "time", RuleSorted, "time %d comes after %d", ms, last)
		}
		last = ms
		return nil
	})
	if err != nil || version == "" {
		return nil, err
	}
	class := ocsf.ClassByUID(uid, version)
	if class == nil {
		v.fault(-1, "class_uid", RuleClass, "class %d of OCSF %q is none that this program writes", uid, version)
	}
	return class, nil
}

// textLeaf is a column of text; key says that it is the key of a map.
type textLeaf struct {
	index int
	path  string
	key   bool
}

func textLeaves(f *parquet.File) []textLeaf {
	var leaves []textLeaf
	for i, c := range leafColumns(f.Root(), nil) {
		if c.Type().Kind() != parquet.ByteArray || typeAnnotation(c.Type()) != " (STRING)" {
			continue
		}
		path := strings.Join(c.Path(), ".")
		leaves = append(leaves, textLeaf{i, path, strings.HasSuffix(path, ".key_value.key")})
	}
	return leaves
}

// text checks the text of one row. Messages never show values: they are the attacker's.
func (v *verifier) text(n int64, d *rowDecoder, leaves []textLeaf) {
	for _, l := range leaves {
		cells := d.cells[l.index]
		for _, c := range cells {
			if !c.IsNull() && !utf8.Valid(c.ByteArray()) {
				v.fault(n, l.path, RuleText, "the value is not UTF-8")
				break
			}
		}
		if l.key && len(cells) > 1 {
			seen := make(map[string]bool, len(cells))
			for _, c := range cells {
				if seen[string(c.ByteArray())] {
					v.fault(n, l.path, RuleUniqueKeys, "a key stands twice in one map")
					break
				}
				seen[string(c.ByteArray())] = true
			}
		}
	}
}

// schema compares the columns with those of the class.
func (v *verifier) schema(f *parquet.File, class *ocsf.Class) {
	file, err := fileSchema(f.Metadata().Schema)
	if err != nil {
		v.fault(-1, "", RuleSchema, "%v", err)
		return
	}
	got, want := file.leafSchemas("", "", nil), classSchema(class).leafSchemas("", "", nil)
	types := make(map[string]string, len(want))
	for _, w := range want {
		types[w.path] = w.text
	}
	present := make(map[string]bool, len(got))
	for _, g := range got {
		present[g.path] = true
		switch w, ok := types[g.path]; {
		case !ok:
			v.fault(-1, g.path, RuleSchema, "the column is foreign to %s", class)
		case w != g.text:
			v.fault(-1, g.path, RuleSchema, "the column is %s, %s wants %s", g.text, class, w)
		}
	}
	for _, w := range want {
		if !present[w.path] {
			v.fault(-1, w.path, RuleSchema, "the column of %s is missing", class)
		}
	}
}

// bounds compares the bounds of the footer and of the column index with the values of the pages.
func (v *verifier) bounds(f *parquet.File) (err error) {
	defer recoverRead(&err)
	md := f.Metadata()
	leaves := leafColumns(f.Root(), nil)
	for i, rg := range f.RowGroups() {
		for j, chunk := range rg.ColumnChunks() {
			b := &boundsCheck{v: v, group: i, path: strings.Join(leaves[j].Path(), "."), typ: leaves[j].Type()}
			b.min, b.max, b.has = chunkBounds(&md.RowGroups[i].Columns[j].MetaData)
			if k := i*len(leaves) + j; k < len(f.ColumnIndexes()) {
				b.index = &f.ColumnIndexes()[k]
			}
			if err := b.chunk(chunk); err != nil {
				return fmt.Errorf("%w: row group %d, column %s: %w", ErrNotParquet, i, b.path, err)
			}
		}
	}
	return nil
}

type boundsCheck struct {
	v        *verifier
	group    int
	path     string
	typ      parquet.Type
	min, max parquet.Value
	has      bool
	index    *format.ColumnIndex
	buf      [512]parquet.Value
}

func (b *boundsCheck) chunk(chunk parquet.ColumnChunk) error {
	pages := chunk.Pages()
	defer func() { _ = pages.Close() }() // read only
	for n := 0; ; n++ {
		page, err := pages.ReadPage()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = b.page(n, page)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func (b *boundsCheck) page(n int, page parquet.Page) error {
	min, max, has, null := b.pageBounds(n)
	values := page.Values()
	for {
		k, err := values.ReadValues(b.buf[:])
		for _, value := range b.buf[:k] {
			if value.IsNull() {
				continue
			}
			if b.has && (b.typ.Compare(value, b.min) < 0 || b.typ.Compare(value, b.max) > 0) {
				b.v.fault(-1, b.path, RuleBounds, "a value of row group %d lies outside of the bounds of its column chunk", b.group)
				return nil
			}
			if null || has && (b.typ.Compare(value, min) < 0 || b.typ.Compare(value, max) > 0) {
				b.v.fault(-1, b.path, RuleBounds, "a value of row group %d lies outside of the bounds of page %d in the column index", b.group, n)
				return nil
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if k == 0 {
			return io.ErrNoProgress
		}
	}
}

// pageBounds returns what the column index says of page n; null: that it holds no value.
func (b *boundsCheck) pageBounds(n int) (min, max parquet.Value, has, null bool) {
	x := b.index
	if x == nil || n >= len(x.NullPages) || n >= len(x.MinValues) || n >= len(x.MaxValues) {
		return min, max, false, false
	}
	if x.NullPages[n] {
		return min, max, false, true
	}
	min, okMin := boundValue(b.typ.Kind(), x.MinValues[n])
	max, okMax := boundValue(b.typ.Kind(), x.MaxValues[n])
	return min, max, okMin && okMax, false
}

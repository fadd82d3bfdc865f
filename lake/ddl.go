package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"wazuh-security-lake/ocsf"
)

// SchemaText returns the Parquet schema of class as a message type: what every object of the class has in its footer.
func SchemaText(class *ocsf.Class) string {
	var b strings.Builder
	fmt.Fprintf(&b, "message %s {\n", rootName)
	schemaAttrs(&b, class.Root, "\t")
	b.WriteString("}\n")
	return b.String()
}

func schemaAttrs(b *strings.Builder, t *ocsf.ObjectType, indent string) {
	for i := range t.Attrs {
		a := &t.Attrs[i]
		switch {
		case a.Kind == ocsf.KindMap:
			fmt.Fprintf(b, "%soptional group %s (MAP) {\n", indent, a.Name)
			fmt.Fprintf(b, "%s\trepeated group key_value {\n", indent)
			fmt.Fprintf(b, "%s\t\trequired binary key (STRING);\n", indent)
			fmt.Fprintf(b, "%s\t\toptional binary value (STRING);\n", indent)
			fmt.Fprintf(b, "%s\t}\n%s}\n", indent, indent)
		case a.List:
			fmt.Fprintf(b, "%soptional group %s (LIST) {\n", indent, a.Name)
			fmt.Fprintf(b, "%s\trepeated group list {\n", indent)
			schemaAttr(b, a, "element", indent+"\t\t")
			fmt.Fprintf(b, "%s\t}\n%s}\n", indent, indent)
		default:
			schemaAttr(b, a, a.Name, indent)
		}
	}
}

func schemaAttr(b *strings.Builder, a *ocsf.Attr, name, indent string) {
	if a.Kind == ocsf.KindObject {
		fmt.Fprintf(b, "%soptional group %s {\n", indent, name)
		schemaAttrs(b, a.Object, indent+"\t")
		fmt.Fprintf(b, "%s}\n", indent)
		return
	}
	physical, annotation := physicalType(a.Kind)
	fmt.Fprintf(b, "%soptional %s %s%s;\n", indent, physical, name, annotation)
}

func physicalType(k ocsf.Kind) (physical, annotation string) {
	switch k {
	case ocsf.KindInt:
		return "int32", ""
	case ocsf.KindLong:
		return "int64", ""
	case ocsf.KindFloat:
		return "double", ""
	case ocsf.KindBool:
		return "boolean", ""
	case ocsf.KindTime:
		return "int64", " (TIMESTAMP(MILLIS,true))"
	}
	return "binary", " (STRING)"
}

// SchemaHash identifies the columns of class, their order and their types: 16 hex digits that are the same exactly
// when SchemaText is. Objects of one source must all have the same.
func SchemaHash(class *ocsf.Class) string {
	sum := sha256.Sum256([]byte(SchemaText(class)))
	return hex.EncodeToString(sum[:8])
}

// AthenaDDL returns the CREATE EXTERNAL TABLE of class over the objects below location ("s3://bucket/ext/wazuh/"),
// with the partition columns Security Lake's crawler makes. It is what the crawler would find: for tests, for lakes
// without one, and to compare with. Names are quoted; a location is taken as it is, with its quotes escaped.
func AthenaDDL(class *ocsf.Class, table, location string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE EXTERNAL TABLE IF NOT EXISTS %s (\n", quoteName(table))
	for i := range class.Root.Attrs {
		a := &class.Root.Attrs[i]
		separator := ","
		if i == len(class.Root.Attrs)-1 {
			separator = ""
		}
		fmt.Fprintf(&b, "  %s %s%s\n", quoteName(a.Name), hiveType(a), separator)
	}
	if location != "" && !strings.HasSuffix(location, "/") {
		location += "/"
	}
	b.WriteString(")\nPARTITIONED BY (`region` string, `accountid` string, `eventday` string)\n")
	b.WriteString("STORED AS PARQUET\n")
	fmt.Fprintf(&b, "LOCATION '%s'\n", strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(location))
	b.WriteString("TBLPROPERTIES ('parquet.compression'='ZSTD', 'classification'='parquet');\n")
	return b.String()
}

// quoteName quotes a name for Hive's DDL; a dot separates database and table.
func quoteName(name string) string {
	parts := strings.Split(name, ".")
	for i := range parts {
		parts[i] = "`" + strings.ReplaceAll(parts[i], "`", "``") + "`"
	}
	return strings.Join(parts, ".")
}

func hiveType(a *ocsf.Attr) string {
	t := hiveElement(a)
	if a.List {
		return "array<" + t + ">"
	}
	return t
}

func hiveElement(a *ocsf.Attr) string {
	switch a.Kind {
	case ocsf.KindInt:
		return "int"
	case ocsf.KindLong:
		return "bigint"
	case ocsf.KindFloat:
		return "double"
	case ocsf.KindBool:
		return "boolean"
	case ocsf.KindTime:
		return "timestamp"
	case ocsf.KindMap:
		return "map<string,string>"
	case ocsf.KindObject:
		fields := make([]string, len(a.Object.Attrs))
		for i := range a.Object.Attrs {
			fields[i] = a.Object.Attrs[i].Name + ":" + hiveType(&a.Object.Attrs[i])
		}
		return "struct<" + strings.Join(fields, ",") + ">"
	}
	return "string"
}

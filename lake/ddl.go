package lake

import (
	"fmt"
	"strings"

	"wazuh-security-lake/ocsf"
)

// AthenaDDL returns the CREATE EXTERNAL TABLE of class over the objects below location ("s3://bucket/ext/wazuh/"),
// with the partition columns Security Lake's crawler makes. It is what the crawler would find: for tests, for lakes
// without one, and to compare with. Names are quoted; a location is taken as it is, with its quotes escaped.
func AthenaDDL(class *ocsf.Class, table, location string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE EXTERNAL TABLE IF NOT EXISTS %s (\n", quoteName(table))
	columns := TableColumns(class)
	for i, c := range columns {
		separator := ","
		if i == len(columns)-1 {
			separator = ""
		}
		fmt.Fprintf(&b, "  %s %s%s\n", quoteName(c.Name), c.Type, separator)
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

// TableColumn is a column as the Glue catalog has it, its type in Hive's words.
type TableColumn struct{ Name, Type string }

// TableColumns are the columns a crawler finds in every object of class, in their order, without the partition keys.
func TableColumns(class *ocsf.Class) []TableColumn {
	columns := make([]TableColumn, len(class.Root.Attrs))
	for i := range class.Root.Attrs {
		columns[i] = TableColumn{class.Root.Attrs[i].Name, hiveType(&class.Root.Attrs[i])}
	}
	return columns
}

// GlueNames are the database and table that Security Lake documents for a custom source: punctuation becomes _, a source
// with a version has it in the table's name. They are for queries to show; what was made is said by the API.
func (c Contract) GlueNames(source, region string) (database, table string) {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, strings.ToLower(s))
	}
	if path := strings.Trim(strings.TrimPrefix(c.Prefix, "ext/"), "/"); path != "" {
		source = path
	}
	return "amazon_security_lake_glue_db_" + plain(region), "amazon_security_lake_table_" + plain(region) + "_ext_" + plain(source)
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

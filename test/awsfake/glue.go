package awsfake

import (
	"net/http"
	"slices"
	"strings"
)

// Crawler is a Glue crawler.
type Crawler struct {
	Name, Database string
	State          string // READY, RUNNING, STOPPING
	// LastStatus is SUCCEEDED, CANCELLED or FAILED; empty when it never ran. LastStart are epoch seconds.
	LastStatus, LastError string
	LastStart             float64
}

// Table is a Glue table. Partitions are the values of the partition keys region, accountid, eventday.
type Table struct {
	Database, Name, Location string
	Columns                  []Column
	Partitions               [][]string
}

// Column is a column of a table, its type in Hive's words.
type Column struct{ Name, Type string }

var glueOperations = map[string]operation{
	"GetCrawler":    getCrawler,
	"StartCrawler":  startCrawler,
	"GetTable":      getTable,
	"GetTables":     getTables,
	"GetPartitions": getPartitions,
	"GetPartition":  getPartition,
}

func notFound(what string) error {
	return refuse(http.StatusBadRequest, "EntityNotFoundException", "%s not found.", what)
}

func getCrawler(w *World, r request) (any, error) {
	c := w.Crawlers[r.text("Name")]
	if c == nil {
		return nil, notFound("Crawler entry with name " + r.text("Name"))
	}
	out := map[string]any{"Name": c.Name, "DatabaseName": c.Database, "State": c.State}
	if c.LastStatus != "" {
		out["LastCrawl"] = map[string]any{"Status": c.LastStatus, "ErrorMessage": c.LastError, "StartTime": c.LastStart}
	}
	return map[string]any{"Crawler": out}, nil
}

func startCrawler(w *World, r request) (any, error) {
	c := w.Crawlers[r.text("Name")]
	if c == nil {
		return nil, notFound("Crawler entry with name " + r.text("Name"))
	}
	if c.State != "READY" {
		return nil, refuse(http.StatusBadRequest, "CrawlerRunningException", "Crawler with name %s has already started", c.Name)
	}
	c.State = "RUNNING"
	return map[string]any{}, nil
}

func (t *Table) answer() map[string]any {
	columns := []any{}
	for _, c := range t.Columns {
		columns = append(columns, map[string]any{"Name": c.Name, "Type": c.Type})
	}
	keys := []any{}
	for _, name := range []string{"region", "accountid", "eventday"} {
		keys = append(keys, map[string]any{"Name": name, "Type": "string"})
	}
	return map[string]any{"Name": t.Name, "DatabaseName": t.Database, "PartitionKeys": keys, "TableType": "EXTERNAL_TABLE",
		"StorageDescriptor": map[string]any{"Columns": columns, "Location": t.Location}}
}

func (w *World) table(r request, name string) (*Table, error) {
	t := w.Tables[r.text("DatabaseName")+"."+name]
	if t == nil {
		return nil, notFound("Entity " + name)
	}
	return t, nil
}

func getTable(w *World, r request) (any, error) {
	t, err := w.table(r, r.text("Name"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"Table": t.answer()}, nil
}

func getTables(w *World, r request) (any, error) {
	var all []*Table
	for _, t := range w.Tables {
		if t.Database == r.text("DatabaseName") {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	tables := []any{}
	for _, t := range all {
		tables = append(tables, t.answer())
	}
	return map[string]any{"TableList": tables}, nil
}

func (t *Table) partition(values []string) map[string]any {
	return map[string]any{"DatabaseName": t.Database, "TableName": t.Name, "Values": values}
}

// getPartitions ignores an Expression, as a caller must who checks what came back.
func getPartitions(w *World, r request) (any, error) {
	t, err := w.table(r, r.text("TableName"))
	if err != nil {
		return nil, err
	}
	parts := []any{}
	for _, values := range t.Partitions {
		parts = append(parts, t.partition(values))
	}
	return map[string]any{"Partitions": parts}, nil
}

func getPartition(w *World, r request) (any, error) {
	t, err := w.table(r, r.text("TableName"))
	if err != nil {
		return nil, err
	}
	for _, values := range t.Partitions {
		if slices.Equal(values, r.list("PartitionValues")) {
			return map[string]any{"Partition": t.partition(values)}, nil
		}
	}
	return nil, notFound("Partition")
}

package ocsf_test

import (
	"regexp"
	"strings"
	"testing"
)

// query is one block of SQL on the page: dialect "athena" or "duckdb", empty when it is neither tagged, and its name.
type query struct {
	line          int
	dialect, name string
	text          string
}

func readQueries(t *testing.T, page string) []query {
	t.Helper()
	var all []query
	var open *query
	for i, line := range strings.Split(page, "\n") {
		switch info, fence := strings.CutPrefix(line, "```"); {
		case fence && open != nil:
			if open.line > 0 {
				all = append(all, *open)
			}
			open = nil
		case fence:
			words := append(strings.Fields(info), "", "", "")
			open = &query{dialect: words[1], name: words[2]}
			if words[0] == "sql" {
				open.line = i + 1
			}
		case open != nil:
			open.text += line + "\n"
		}
	}
	return all
}

const athenaTable = "amazon_security_lake_table_"

// lintQuery returns what is wrong with a query that a reader may paste into Athena.
func lintQuery(q query) []string {
	var faults []string
	if strings.Contains(q.text, "unmapped[") {
		faults = append(faults, "a subscript of unmapped fails for alerts without the key: use element_at")
	}
	if q.dialect == "duckdb" {
		return faults
	}
	if n := strings.Count(q.text, athenaTable); n == 0 || strings.Count(q.text, "eventday BETWEEN ") < n {
		faults = append(faults, "each use of the table needs its eventday BETWEEN: without it all partitions are read")
	}
	if q.dialect == "athena" && (strings.Count(q.text, "time_dt >= ") != 1 || strings.Count(q.text, "time_dt < ") != 1) {
		faults = append(faults, "time_dt stands beside eventday, with both ends")
	}
	return faults
}

// TestDocsQueries: the rules for queries, and each Athena query has a twin that differs only by the replacements the
// page lists. The twins are run by test/queries.
func TestDocsQueries(t *testing.T) {
	athena, duckdb := make(map[string]query), make(map[string]query)
	for _, q := range readQueries(t, readPage(t)) {
		for _, fault := range lintQuery(q) {
			t.Errorf("%s:%d: %s", docsPage, q.line, fault)
		}
		switch {
		case q.dialect == "athena" && q.name != "":
			athena[q.name] = q
		case q.dialect == "duckdb" && q.name != "":
			duckdb[q.name] = q
		}
	}
	if len(athena) < 7 {
		t.Errorf("got %d queries, want 7 at least", len(athena))
	}
	for name, q := range athena {
		if got, want := duckdb[name].text, twin(q.text); got != want {
			t.Errorf("%s:%d: the DuckDB twin of %s: got\n%s\nwant\n%s", docsPage, q.line, name, got, want)
		}
	}
	for name, q := range duckdb {
		if _, ok := athena[name]; !ok {
			t.Errorf("%s:%d: %s has no Athena query", docsPage, q.line, name)
		}
	}
}

var (
	tableName  = regexp.MustCompile(`[a-z0-9_]+\.` + athenaTable + `[a-z0-9_]+`)
	lambda     = regexp.MustCompile(`\bfilter\(([a-z_.]+), ([a-z]+) -> `)
	timestamps = regexp.MustCompile(`TIMESTAMP '([^']+)'`)
)

// twin translates a query as the table on the page says.
func twin(athena string) string {
	text := tableName.ReplaceAllString(athena, "lake")
	text = strings.ReplaceAll(text, "element_at(unmapped, ", "map_extract_value(unmapped, ")
	text = strings.ReplaceAll(text, "element_at(", "list_extract(")
	text = lambda.ReplaceAllString(text, "list_filter($1, lambda $2: ")
	text = strings.ReplaceAll(text, "json_extract_scalar(", "json_extract_string(")
	return timestamps.ReplaceAllString(text, "TIMESTAMPTZ '$1+00'")
}

// TestDocsLintFails: the rules refuse what they are there to refuse.
func TestDocsLintFails(t *testing.T) {
	const from = "FROM db." + athenaTable + "us_east_1_ext_wazuh WHERE "
	const window = "eventday BETWEEN '20261101' AND '20261130' AND time_dt >= TIMESTAMP 'x' AND time_dt < TIMESTAMP 'y'"
	tests := map[string]struct {
		query query
		want  int
	}{
		"good":                   {query{dialect: "athena", text: from + window}, 0},
		"subscript":              {query{dialect: "athena", text: from + window + " AND unmapped['a'] = 'b'"}, 1},
		"subscript in DuckDB":    {query{dialect: "duckdb", text: "FROM lake WHERE unmapped['a'] = 'b'"}, 1},
		"no eventday":            {query{dialect: "athena", text: from + "time_dt >= x AND time_dt < y"}, 1},
		"eventday of one of two": {query{dialect: "athena", text: from + window + " UNION ALL SELECT 1 " + from + "true"}, 1},
		"no time_dt":             {query{dialect: "athena", text: from + "eventday BETWEEN 'a' AND 'b'"}, 1},
		"untagged":               {query{text: from + "true"}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := lintQuery(test.query); len(got) != test.want {
				t.Errorf("got %d faults %q, want %d", len(got), got, test.want)
			}
		})
	}
}

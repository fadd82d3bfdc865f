package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const (
	variablePrefix = "WAZUH_LAKE_"
	variableConfig = "WAZUH_LAKE_CONFIG" // the file; read by Load
	variableInbox  = "WAZUH_LAKE_INBOX"  // read by custom-security-lake
)

// environment maps names to values. Of a name given twice the first one counts, as in os.Getenv.
type environment map[string]string

func newEnvironment(environ []string) environment {
	env := make(environment, len(environ))
	for _, line := range environ {
		name, value, ok := strings.Cut(line, "=")
		if _, twice := env[name]; ok && !twice {
			env[name] = value
		}
	}
	return env
}

// applyEnvironment sets every WAZUH_LAKE_* variable. An empty one sets the empty value. Unknown ones are faults: a
// misspelt variable must not pass for a setting that works.
func (l *Loaded) applyEnvironment(env environment, found *faults) {
	type assignment struct {
		name string
		keys []string
	}
	var assignments []assignment
	for name := range env {
		rest, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || name == variableConfig || name == variableInbox {
			continue
		}
		keys, ok := variableKeys(reflect.TypeFor[Config](), rest)
		if !ok {
			fault := &Fault{Rule: "unknown variable", Where: Origin{Kind: FromEnvironment, Name: shorten(strconv.Quote(name))}}
			if near := nearest(rest, variableNames()); near != "" {
				fault.Remedy = "did you mean " + variablePrefix + strings.ToUpper(near) + "?"
			}
			found.add(fault)
			continue
		}
		assignments = append(assignments, assignment{name, keys})
	}
	// Lower indices first, whatever the order of the environment: each may append the source that the next one needs.
	slices.SortFunc(assignments, func(a, b assignment) int {
		return slices.CompareFunc(a.keys, b.keys, func(a, b string) int {
			return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
		})
	})
	for _, a := range assignments {
		if fault := l.set(a.keys, env[a.name], Origin{Kind: FromEnvironment, Name: a.name}); fault != nil {
			found.add(fault)
		}
	}
	slices.SortFunc(*found, compareFaults)
}

// compareFaults orders by place, so that messages do not change with the order of a map.
func compareFaults(a, b *Fault) int {
	return cmp.Or(
		cmp.Compare(rank(a.Where.Kind), rank(b.Where.Kind)),
		cmp.Compare(a.Where.Line, b.Where.Line),
		cmp.Compare(a.Where.Column, b.Where.Column),
		strings.Compare(a.Where.Name, b.Where.Name),
		strings.Compare(a.Path, b.Path),
	)
}

func rank(kind OriginKind) int {
	return slices.Index([]OriginKind{FromFile, FromLambda, FromEnvironment, FromFlag}, kind)
}

// variableKeys splits LAKE_ACCOUNT_ID into lake, account_id by the type: keys themselves hold underscores.
func variableKeys(t reflect.Type, rest string) ([]string, bool) {
	switch {
	case isSection(t):
		for _, f := range fieldsOf(t) {
			tail, ok := strings.CutPrefix(rest, strings.ToUpper(f.key))
			if !ok {
				continue
			}
			inner := t.FieldByIndex(f.index).Type
			if tail == "" && !isSection(inner) && !isList(inner) {
				return []string{f.key}, true
			}
			if tail, ok = strings.CutPrefix(tail, "_"); ok {
				if keys, ok := variableKeys(inner, tail); ok {
					return append([]string{f.key}, keys...), true
				}
			}
		}
	case isList(t):
		index, tail, _ := strings.Cut(rest, "_")
		if i, err := strconv.Atoi(index); err != nil || i < 0 || strconv.Itoa(i) != index {
			return nil, false
		}
		if keys, ok := variableKeys(t.Elem(), tail); ok {
			return append([]string{index}, keys...), true
		}
	}
	return nil, false
}

// variableNames lists what may follow the prefix, in lower case, for one source.
func variableNames() []string {
	var names []string
	cfg := Default()
	walkLeaves(reflect.ValueOf(&cfg).Elem(), "", func(path string, _ reflect.Value) {
		names = append(names, strings.NewReplacer(".", "_", "[", "_", "]", "").Replace(path))
	})
	return names
}

// lambdaVariable maps a variable of the existing Lambda integration to keys. All of unless must be left open by the
// file, too: what a source says itself is more than what the variable says for all of them.
type lambdaVariable struct {
	name   string
	path   string
	unless string
	value  func(string) (string, error)
}

type lambdaSet struct{ variable, path string }

func lambdaVariables(env environment) []lambdaVariable {
	asIs := func(s string) (string, error) { return s, nil }
	bucket := func(s string) (string, error) { return "s3://" + s, nil }
	list := []lambdaVariable{
		{"AWS_BUCKET", "lake.destination", "sources[0].s3_location", bucket},
		{"SOURCE_LOCATION", "sources[0].name", "", asIs},
		{"ACCOUNT_ID", "lake.account_id", "sources[0].account_id", asIs},
		{"REGION", "lake.region", "sources[0].region", asIs},
		{"ROLE_ARN", "lake.role_arn", "sources[0].role_arn", asIs},
		{"EXTERNAL_ID", "lake.external_id", "sources[0].external_id", asIs},
		{"S3_BUCKET_OCSF", "copy.ocsf_json", "", bucket},
		{"OCSF_CLASS", "sources[0].class", "", lambdaClass},
	}
	if strings.EqualFold(env["IS_DEV"], "true") {
		list = append(list, lambdaVariable{"AWS_ENDPOINT", "lake.s3_endpoint", "", asIs})
		// The development stack speaks plain HTTP and knows no bucket host names.
		yes := func(string) (string, error) { return "true", nil }
		if strings.HasPrefix(env["AWS_ENDPOINT"], "http://") {
			list = append(list, lambdaVariable{"AWS_ENDPOINT", "lake.allow_http", "lake.s3_endpoint", yes})
		}
		list = append(list, lambdaVariable{"AWS_ENDPOINT", "lake.path_style", "lake.s3_endpoint", yes})
	}
	return list
}

func lambdaClass(text string) (string, error) {
	switch text {
	case "SECURITY_FINDING":
		return SecurityFinding, nil
	case "DETECTION_FINDING":
		return DetectionFinding, nil
	}
	return "", fmt.Errorf("must be SECURITY_FINDING or DETECTION_FINDING")
}

// applyLambda runs after the file and fills only what it leaves open, so the file wins. It returns what it set.
func (l *Loaded) applyLambda(env environment, found *faults) []lambdaSet {
	inFile := func(path string) bool { return l.Origins[path].Kind == FromFile }
	var set []lambdaSet
	for _, v := range lambdaVariables(env) {
		text := env[v.name]
		if text == "" || inFile(v.path) || inFile(v.unless) {
			continue
		}
		if strings.HasPrefix(v.path, "sources[0]") && len(l.Config.Sources) == 0 {
			continue // "sources: []" is a fault of its own; do not mend it silently
		}
		origin := Origin{Kind: FromLambda, Name: v.name}
		text, err := v.value(text)
		if err != nil {
			found.add(&Fault{Path: v.path, Rule: err.Error(), Got: shorten(env[v.name]), Where: origin})
			continue
		}
		keys := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(v.path), ".")
		if fault := l.set(keys, text, origin); fault != nil {
			found.add(fault)
			continue
		}
		set = append(set, lambdaSet{v.name, v.path})
	}
	return set
}

package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// The file, the environment, the flags and Print all walk the Config type itself, so a key added there is known
// everywhere at once. A leaf is a value that is set as a whole; everything else is a section or the list of sources.

type field struct {
	key   string
	index []int
}

// fieldsOf lists the keys of a section in the order of the type, inlined ones in place.
func fieldsOf(t reflect.Type) []field {
	var list []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			for _, inner := range fieldsOf(f.Type) {
				list = append(list, field{inner.key, append([]int{i}, inner.index...)})
			}
			continue
		}
		list = append(list, field{key, []int{i}})
	}
	return list
}

func isSection(t reflect.Type) bool { return t.Kind() == reflect.Struct }

// isList tells a list of sections from a list that is a leaf.
func isList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isSection(t.Elem()) }

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// walkLeaves calls visit for every leaf under v, in the order of the type.
func walkLeaves(v reflect.Value, path string, visit func(path string, leaf reflect.Value)) {
	switch {
	case isSection(v.Type()):
		for _, f := range fieldsOf(v.Type()) {
			walkLeaves(v.FieldByIndex(f.index), joinPath(path, f.key), visit)
		}
	case isList(v.Type()):
		for i := range v.Len() {
			walkLeaves(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	default:
		visit(path, v)
	}
}

var (
	errUnknownPath = errors.New("unknown key")
	errSectionPath = errors.New("is a section, not a value")
	errIndexGap    = errors.New("index beyond the end of the list")
)

// leafAt finds the leaf that keys (names and list indices) lead to and its canonical path. An index just behind the
// end of the sources appends one.
func leafAt(root reflect.Value, keys []string) (leaf reflect.Value, path string, err error) {
	v := root
	for _, key := range keys {
		switch {
		case isSection(v.Type()):
			next := reflect.Value{}
			for _, f := range fieldsOf(v.Type()) {
				if f.key == key {
					next = v.FieldByIndex(f.index)
				}
			}
			if !next.IsValid() {
				return leaf, "", errUnknownPath
			}
			v, path = next, joinPath(path, key)
		case isList(v.Type()):
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || strconv.Itoa(i) != key {
				return leaf, "", errUnknownPath
			}
			if i > v.Len() {
				return leaf, "", errIndexGap
			}
			if i == v.Len() {
				v.Set(reflect.Append(v, reflect.ValueOf(defaultSource())))
			}
			v, path = v.Index(i), fmt.Sprintf("%s[%d]", path, i)
		default:
			return leaf, "", errUnknownPath
		}
	}
	if isSection(v.Type()) || isList(v.Type()) {
		return leaf, "", errSectionPath
	}
	return v, path, nil
}

// setLeaf reads text into a leaf. The error is the rule, without the value.
func setLeaf(leaf reflect.Value, text string) error {
	switch target := leaf.Addr().Interface().(type) {
	case *string:
		*target = text
	case *StringList:
		*target = splitList(text)
	case *IntList:
		return setInts(target, splitList(text))
	case *bool:
		if text != "true" && text != "false" {
			return errors.New("must be true or false")
		}
		*target = text == "true"
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("must be a whole number")
		}
		*target = n
	case *Duration:
		return target.UnmarshalText([]byte(text))
	case *Size:
		return target.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("config: no reader for %s", leaf.Type())) // a field type added without one; every test meets it
	}
	return nil
}

func setInts(target *IntList, texts []string) error {
	list := make(IntList, len(texts))
	for i, text := range texts {
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("must be a list of whole numbers")
		}
		list[i] = n
	}
	*target = list
	return nil
}

// leafText is the value of a leaf as setLeaf reads it.
func leafText(leaf reflect.Value) string {
	switch value := leaf.Interface().(type) {
	case StringList:
		return strings.Join(value, ", ")
	case IntList:
		return strings.Trim(fmt.Sprint([]int(value)), "[]")
	default:
		return fmt.Sprint(value)
	}
}

// nearest names the key that a misspelt one probably means, or nothing.
func nearest(key string, known []string) string {
	best, bestDistance := "", len(key)/3+1
	for _, candidate := range known {
		if d := editDistance(strings.ToLower(key), candidate); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// editDistance is Levenshtein's, over bytes: our keys are ASCII.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

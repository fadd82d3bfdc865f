package ocsf

import (
	"bytes"
	"strconv"
)

// An observable names an attribute by its path: evidences[].src_endpoint.ip, with "[]", "[*]" or a position behind a
// list. Without a position it means every element; its value must then be the text of one of them.

// pathStep is one step of such a path.
type pathStep struct {
	name     []byte
	brackets bool
	position int // in the list, or -1 for every element
}

// nextStep cuts the first step off a path; ok is false for a path that is not well-formed. rest is nil at the end.
func nextStep(path []byte) (step pathStep, rest []byte, ok bool) {
	step.position = -1
	end := bytes.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	step.name = path[:end]
	path = path[end:]
	if len(path) > 0 && path[0] == '[' {
		step.brackets = true
		end = bytes.IndexByte(path, ']')
		if end < 0 {
			return step, nil, false
		}
		switch in := path[1:end]; {
		case len(in) == 0 || string(in) == "*":
		case len(in) <= 9 && every(in, isDigit):
			step.position, _ = strconv.Atoi(string(in))
		default:
			return step, nil, false
		}
		path = path[end+1:]
	}
	if len(path) == 0 {
		return step, nil, len(step.name) > 0
	}
	if path[0] != '.' || len(path) == 1 {
		return step, nil, false
	}
	return step, path[1:], len(step.name) > 0
}

// hasPath reports whether path is an attribute path of t for an event with these profiles. Below the map unmapped any
// key will do.
func (t *ObjectType) hasPath(path []byte, declared profiles) bool {
	for {
		step, rest, ok := nextStep(path)
		i := findName(&t.names, step.name)
		if i < 0 || !t.Attrs[i].active(declared) || step.brackets && !t.Attrs[i].List {
			return false
		}
		switch a := &t.Attrs[i]; {
		case a.Kind == KindMap:
			return true
		case !ok:
			return false
		case rest == nil:
			return true
		case a.Kind != KindObject:
			return false
		default:
			t, path = a.Object, rest
		}
	}
}

func checkObservables(ev *Event, declared profiles) *CheckError {
	list := ev.Root.Value("observables")
	if list == nil {
		return nil
	}
	for i, o := range list.Objs {
		name, value := o.Value("name"), o.Value("value") // name is required and was checked
		var rule string
		var at *Value
		if !ev.Class.Root.hasPath(name.Str, declared) {
			rule, at = RuleObservable, name
		} else if value != nil {
			if found, equal := ev.textAt(name.Str, value.Str); found && !equal {
				rule, at = RuleObservableText, value
			}
		}
		if rule != "" {
			attribute := ".name"
			if at == value {
				attribute = ".value"
			}
			return fault("observables["+strconv.Itoa(i)+"]"+attribute, rule, at.Str)
		}
	}
	return nil
}

// textAt reports whether the path leads to a value in the event and whether one of them has this text.
// An object at the end of the path has no text: it counts as equal.
func (ev *Event) textAt(path, text []byte) (found, equal bool) {
	if key, ok := bytes.CutPrefix(path, []byte("unmapped.")); ok {
		for _, kv := range ev.Unmapped {
			if bytes.Equal(kv.Key, key) {
				return true, bytes.Equal(kv.Value, text)
			}
		}
		return false, false
	}
	return ev.Root.textAt(path, text)
}

func (o *Object) textAt(path, text []byte) (found, equal bool) {
	step, rest, ok := nextStep(path)
	i := findName(&o.Type.names, step.name)
	if !ok || i < 0 || !o.Values[i].Set {
		return false, false
	}
	a, v := &o.Type.Attrs[i], &o.Values[i]
	switch {
	case a.Kind == KindObject:
		for j, el := range v.Objs {
			if step.position >= 0 && step.position != j {
				continue
			}
			if rest == nil {
				return true, true
			}
			f, e := el.textAt(rest, text)
			if found = found || f; e {
				return true, true
			}
		}
		return found, false
	case a.Kind == KindMap:
		return true, true
	case a.Kind == KindString && a.List:
		for j, s := range v.Strs {
			if step.position >= 0 && step.position != j {
				continue
			}
			if found = true; bytes.Equal(s, text) {
				return true, true
			}
		}
		return found, false
	case a.Kind == KindString:
		return true, bytes.Equal(v.Str, text)
	}
	return true, v.hasText(a.Kind, text)
}

// hasText reports whether text is how the value is written in JSON.
func (v *Value) hasText(k Kind, text []byte) bool {
	var buf [24]byte
	switch k {
	case KindBool:
		return string(text) == "true" && v.Num == 1 || string(text) == "false" && v.Num == 0
	case KindFloat: // 7 and 7.0 are the same number
		f, err := strconv.ParseFloat(string(text), 64)
		return err == nil && f == v.Float()
	case KindTime: // any way to write the instant
		ms, ok := parseDatetime(text)
		return ok && ms == v.Num
	}
	return bytes.Equal(strconv.AppendInt(buf[:0], v.Num, 10), text)
}

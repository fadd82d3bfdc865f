package ocsf

import (
	"strconv"
	"time"
)

// AppendJSON appends the event as one line of JSON without a newline. Attributes come in the order of the class,
// unmapped in the order of the alert: the same event always makes the same bytes. The event is not changed.
func (e *Event) AppendJSON(dst []byte) []byte { return e.appendObject(dst, e.Root) }

func (e *Event) appendObject(dst []byte, o *Object) []byte {
	dst = append(dst, '{')
	for i := range o.Values {
		v, at := &o.Values[i], &o.Type.Attrs[i]
		if at.Kind == KindMap {
			if len(e.Unmapped) > 0 {
				dst = e.appendUnmapped(appendName(dst, at.Name))
			}
			continue
		}
		if !v.Set {
			continue
		}
		dst = appendName(dst, at.Name)
		switch {
		case at.Kind == KindObject && !at.List:
			dst = e.appendObject(dst, v.Objs[0])
		case at.Kind == KindObject:
			dst = append(dst, '[')
			for j, child := range v.Objs {
				dst = e.appendObject(comma(dst, j), child)
			}
			dst = append(dst, ']')
		case at.Kind == KindString && at.List:
			dst = append(dst, '[')
			for j, s := range v.Strs {
				dst = appendString(comma(dst, j), s)
			}
			dst = append(dst, ']')
		case at.List: // KindInt: its one element
			dst = append(appendInt(append(dst, '['), v.Num), ']')
		default:
			dst = v.appendScalar(dst, at.Kind)
		}
	}
	return append(dst, '}')
}

func (e *Event) appendUnmapped(dst []byte) []byte {
	dst = append(dst, '{')
	for i, kv := range e.Unmapped {
		dst = appendString(comma(dst, i), kv.Key)
		dst = appendString(append(dst, ':'), kv.Value)
	}
	return append(dst, '}')
}

func (v *Value) appendScalar(dst []byte, k Kind) []byte {
	switch k {
	case KindString:
		return appendString(dst, v.Str)
	case KindFloat:
		return strconv.AppendFloat(dst, v.Float(), 'f', -1, 64)
	case KindBool:
		return strconv.AppendBool(dst, v.Num != 0)
	case KindTime:
		dst = append(dst, '"')
		dst = time.UnixMilli(v.Num).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
		return append(dst, '"')
	}
	return appendInt(dst, v.Num)
}

func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(append(dst, '"'), name...)
	return append(dst, '"', ':')
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

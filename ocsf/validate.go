package ocsf

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The rules only a JSON event can break; ValidateJSON reports those of Check too.
const (
	RuleParse            = "json_parse"        // no JSON, or more than one value
	RuleNotObject        = "json_not_object"   // JSON, but no object
	RuleClassMissing     = "class_uid_missing" // class_uid is not there
	RuleClassType        = "class_uid_type"    // class_uid is no integer
	RuleClassUnknown     = "class_uid_unknown" // a class that is not written here, or not the one asked for
	RuleUnknownAttribute = "unknown_attribute" // not in the schema of the class
	RuleNull             = "null_value"        // null stands for "not there"
	RuleWrongType        = "wrong_type"        // another JSON type than the OCSF type has
	RuleOverflow         = "int_overflow"      // does not fit 64 bits
	RuleEmptyRequired    = "empty_required"    // a required attribute is there but empty
	RuleTooMany          = "too_many_faults"   // the rest is left out
)

const maxFaults = 100 // per event: a line of garbage must not fill the memory with complaints

// Fault is one thing wrong with a JSON event.
type Fault struct {
	Attribute string // path with list positions, "" or "$" for the event as a whole
	Rule      string // one of the Rule constants
	// Message says it in words and may quote content of the event: fit for a terminal, not for a log.
	Message string
}

// ValidateOptions say how strictly ValidateJSON reads.
type ValidateOptions struct {
	AllowNull bool // null means "not there": rows read back from Parquet
}

// ValidateJSON checks one JSON event against the schema of class c, or of the class that its class_uid and
// metadata.version name when c is nil. It returns every fault, nil for a valid event, and keeps no reference to line.
//
// The schema is the curated one: an attribute that OCSF has but no Wazuh event uses is unknown here. Beyond OCSF it
// demands that an ip_t is a real address and a datetime_t a real date. What the lake demands on top, Check does.
func ValidateJSON(c *Class, line []byte, opt ValidateOptions) []Fault {
	v := validator{opt: opt}
	if !utf8.Valid(line) {
		v.fault("$", RuleUTF8, "the line is not valid UTF-8")
		return v.faults
	}
	n, twice, err := parseNode(line)
	if err != nil {
		v.fault("$", RuleParse, "%v", err)
		return v.faults
	}
	if n.kind != objectNode {
		v.fault("$", RuleNotObject, "the line is one JSON %s", n.kind)
		return v.faults
	}
	if twice {
		v.duplicates(&n, "")
	}
	v.event(&n, c)
	return v.faults
}

type validator struct {
	opt      ValidateOptions
	class    *Class
	declared profiles
	faults   []Fault
}

func (v *validator) fault(attribute, rule, format string, args ...any) {
	switch {
	case len(v.faults) < maxFaults:
		v.faults = append(v.faults, Fault{attribute, rule, fmt.Sprintf(format, args...)})
	case len(v.faults) == maxFaults:
		v.faults = append(v.faults, Fault{"$", RuleTooMany, fmt.Sprintf("more than %d faults", maxFaults)})
	}
}

// brief quotes a text for a message.
func brief(s string) string {
	if len(s) > maxFaultValue {
		return strconv.Quote(strings.ToValidUTF8(s[:maxFaultValue], "")) + "..."
	}
	return strconv.Quote(s)
}

func (v *validator) duplicates(n *node, path string) {
	seen := make(map[string]bool, len(n.members))
	for i := range n.members {
		m := &n.members[i]
		if seen[m.key] {
			v.fault(join(path, m.key), RuleDuplicateKey, "the key stands twice")
		}
		seen[m.key] = true
		v.duplicates(&m.value, join(path, m.key))
	}
	for i := range n.list {
		v.duplicates(&n.list[i], path+"["+strconv.Itoa(i)+"]")
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (v *validator) event(n *node, c *Class) {
	md := n.get("metadata")
	if v.class = v.classOf(n, md, c); v.class == nil {
		return
	}
	v.declare(md)
	v.object(n, v.class.Root, "")

	activity, ok := n.get("activity_id").integer()
	uid, ok2 := n.get("type_uid").integer()
	if want := int64(v.class.UID)*100 + activity; ok && ok2 && uid != want {
		v.fault("type_uid", RuleTypeUID, "%d, expected class_uid * 100 + activity_id = %d", uid, want)
	}
	// The name belongs to the class whatever category_uid says; beside a category_uid of 2 this was reported before.
	if category, _ := n.get("category_uid").integer(); category != 2 {
		if text := n.get("category_name"); text != nil && text.kind == stringNode && text.text != "Findings" {
			v.fault("category_name", RuleCaption, "%s, expected %q", brief(text.text), "Findings")
		}
	}
	if offset, ok := n.get("timezone_offset").integer(); ok && !plausibleOffset(offset) {
		v.fault("timezone_offset", RuleTimezone, "%d minutes are more than 18 hours", offset)
	}
	v.observables(n)
}

// classOf finds the class to validate against; nil when there is none, which is a fault.
func (v *validator) classOf(n, md *node, c *Class) *Class {
	uidNode := n.get("class_uid")
	if uidNode == nil {
		v.fault("class_uid", RuleClassMissing, "the event names no class")
		return nil
	}
	if !uidNode.isInteger() {
		v.fault("class_uid", RuleClassType, "class_uid is a %s", uidNode.kind)
		return nil
	}
	uid, _ := uidNode.integer() // an overflow leaves 0, which is no class
	version := md.get("version")
	if c == nil {
		want := Version110
		if version != nil && version.text == Version130 {
			want = Version130
		}
		if c = ClassByUID(uid, want); c == nil {
			v.fault("class_uid", RuleClassUnknown, "no schema for class %s", uidNode.text)
			return nil
		}
	}
	if uid != int64(c.UID) {
		v.fault("class_uid", RuleClassUnknown, "class %s, expected %d", uidNode.text, c.UID)
		return nil
	}
	if version != nil && version.kind == stringNode && version.text != c.Version {
		v.fault("metadata.version", RuleVersion, "%s, expected %q", brief(version.text), c.Version)
	}
	return c
}

func (v *validator) declare(md *node) {
	list := md.get("profiles")
	if list == nil {
		return
	}
	for i := range list.list {
		p := &list.list[i]
		if p.kind != stringNode {
			continue // reported with the other types
		}
		path := "metadata.profiles[" + strconv.Itoa(i) + "]"
		bit := profileBit(p.text)
		switch {
		case bit == 0 || !v.class.allows([]byte(p.text)):
			v.fault(path, RuleProfileClass, "profile %s is not one of %s", brief(p.text), v.class)
		case v.declared&bit != 0:
			v.fault(path, RuleProfileTwice, "profile %s twice", brief(p.text))
		}
		v.declared |= bit
	}
}

func (v *validator) object(n *node, t *ObjectType, path string) {
	for i := range n.members {
		m := &n.members[i]
		if m.value.kind == nullNode && v.opt.AllowNull {
			continue
		}
		slot := t.Slot(m.key)
		switch p := join(path, m.key); {
		case slot < 0:
			v.fault(p, RuleUnknownAttribute, "%s has no such attribute", t.Name)
		case !t.Attrs[slot].active(v.declared):
			v.fault(p, RuleProfile, "needs %q in metadata.profiles", t.Attrs[slot].Profile)
		case m.value.kind == nullNode:
			v.fault(p, RuleNull, "null")
		default:
			v.attribute(&m.value, &t.Attrs[slot], p)
		}
	}
	for i := range t.Attrs {
		if a := &t.Attrs[i]; a.active(v.declared) {
			v.inContext(n, t, a, path)
		}
	}
	if len(t.AtLeastOne) == 0 {
		return
	}
	for _, name := range t.AtLeastOne {
		if n.get(name) != nil {
			return
		}
	}
	if path == "" {
		path = "$"
	}
	v.fault(path, RuleAtLeastOne, "%s needs at least one of %s", t.Name, strings.Join(t.AtLeastOne, ", "))
}

// inContext checks an attribute against its siblings, and that it is there at all.
func (v *validator) inContext(n *node, t *ObjectType, a *Attr, path string) {
	value := n.get(a.Name)
	if a.Required {
		if value == nil {
			v.fault(join(path, a.Name), RuleRequired, "required in %s", t.Name)
			return
		}
		if value.blank() {
			v.fault(join(path, a.Name), RuleEmptyRequired, "required in %s", t.Name)
		}
	}
	if value == nil {
		return
	}
	if a.base >= 0 && value.kind == stringNode {
		base := t.Attrs[a.base].Name
		want, ok := n.get(base).integer()
		if got, ok2 := parseDatetime([]byte(value.text)); ok && ok2 && got != want {
			v.fault(join(path, a.Name), RuleDatetimeValue, "%d ms, but %s is %d", got, base, want)
		}
	}
	if a.caption >= 0 {
		v.captions(n, a, value, path)
	}
}

func (v *validator) captions(n *node, a *Attr, value *node, path string) {
	text := n.get(a.Enum.Sibling)
	if !a.List {
		if id, ok := value.integer(); ok {
			v.caption(a, id, text, path, "")
		}
		return
	}
	if value.kind != listNode {
		return
	}
	if text == nil {
		for i := range value.list {
			if id, ok := value.list[i].integer(); ok && id == otherID {
				v.fault(join(path, a.Name), RuleOtherText, "99 (Other), but %s is missing", a.Enum.Sibling)
				return
			}
		}
		return
	}
	if text.kind != listNode {
		return
	}
	if len(text.list) != len(value.list) {
		v.fault(join(path, a.Enum.Sibling), RuleCaption, "%d texts for %d values", len(text.list), len(value.list))
	}
	for i := range min(len(text.list), len(value.list)) {
		if id, ok := value.list[i].integer(); ok && id != otherID {
			v.caption(a, id, &text.list[i], path, "["+strconv.Itoa(i)+"]")
		}
	}
}

// caption checks one value of an enumeration against the text beside it, which may be nil.
func (v *validator) caption(a *Attr, id int64, text *node, path, index string) {
	want, ok := a.Enum.Captions[id]
	isText := text != nil && text.kind == stringNode
	sibling := join(path, a.Enum.Sibling) + index
	switch {
	case !ok: // reported as no value of the enumeration
	case id == otherID && (!isText || strings.TrimSpace(text.text) == ""):
		v.fault(join(path, a.Name), RuleOtherText, "99 (Other), but %s is missing or empty", a.Enum.Sibling)
	case id == otherID && text.text == want:
		v.fault(sibling, RuleOtherCaption, "99 needs the text of the source, not %q", want)
	case id != otherID && isText && text.text != want:
		v.fault(sibling, RuleCaption, "%s, expected %q for %s %d", brief(text.text), want, a.Name, id)
	}
}

func (v *validator) attribute(n *node, a *Attr, path string) {
	if !a.List {
		v.value(n, a, path)
		return
	}
	if n.kind != listNode {
		v.fault(path, RuleWrongType, "expected an array of %s, got %s", a.Type, n.kind)
		return
	}
	for i := range n.list {
		p := path + "[" + strconv.Itoa(i) + "]"
		if n.list[i].kind == nullNode {
			v.fault(p, RuleNull, "null in a list") // Parquet rows have none either: elements are never null
			continue
		}
		v.value(&n.list[i], a, p)
	}
}

func (v *validator) value(n *node, a *Attr, path string) {
	want := a.Kind.inJSON()
	switch {
	case a.Type == "json_t": // any JSON
	case n.kind != want:
		v.fault(path, RuleWrongType, "expected %s, got %s", a.Type, n.kind)
	case a.Kind == KindObject:
		v.object(n, a.Object, path)
	case want == stringNode:
		v.text(n, a, path)
	case want == numberNode:
		v.number(n, a, path)
	}
}

// inJSON returns the JSON type of a kind.
func (k Kind) inJSON() nodeKind {
	switch k {
	case KindObject, KindMap:
		return objectNode
	case KindInt, KindLong, KindFloat:
		return numberNode
	case KindBool:
		return boolNode
	}
	return stringNode
}

func (v *validator) text(n *node, a *Attr, path string) {
	text := a.text
	if a.Kind == KindTime {
		text, _ = textTypeOf(a.Type, v.class.Version)
	}
	switch {
	case n.loose:
		v.fault(path, RuleUTF8, "half of a surrogate pair")
	case n.text == "":
		// An empty text is legal where any text is. Of the types with a form only subnet_t has no pattern in OCSF.
		if text.valid != nil && a.Type != "subnet_t" {
			v.fault(path, RulePattern, "an empty %s", a.Type)
		}
	default:
		b := []byte(n.text)
		if text.tooLong(b) {
			v.fault(path, RuleLength, "%d characters, %s has %d at most", utf8.RuneCount(b), a.Type, text.maxChars)
		}
		if text.valid != nil && !text.valid(b) {
			v.fault(path, text.rule, "%s is not a valid %s", brief(n.text), a.Type)
		}
	}
}

func (v *validator) number(n *node, a *Attr, path string) {
	if a.Kind == KindFloat {
		if f, err := strconv.ParseFloat(n.text, 64); err != nil || math.IsInf(f, 0) {
			v.fault(path, RuleNonFinite, "%s is no finite number", brief(n.text))
		}
		return
	}
	if !n.isInteger() {
		v.fault(path, RuleWrongType, "expected %s, got %s", a.Type, brief(n.text))
		return
	}
	num, ok := n.integer()
	switch {
	case !ok:
		v.fault(path, RuleOverflow, "%s does not fit 64 bits", brief(n.text))
	case a.Enum != nil:
		if _, known := a.Enum.Captions[num]; !known {
			v.fault(path, RuleEnum, "%d is no value of the enumeration", num)
		}
	case a.Type == "port_t" && (num < 0 || num > math.MaxUint16):
		v.fault(path, RuleRange, "%d is no port", num)
	case a.Type == "timestamp_t" && !plausibleMillis(num):
		v.fault(path, RuleTimestampUnit, "%d is not in milliseconds", num)
	}
}

func (v *validator) observables(n *node) {
	list := n.get("observables")
	if list == nil {
		return
	}
	for i := range list.list {
		o := &list.list[i]
		name, value := o.get("name"), o.get("value")
		if name == nil || name.kind != stringNode {
			continue // reported before
		}
		path := "observables[" + strconv.Itoa(i) + "]"
		if !v.class.Root.hasPath([]byte(name.text), v.declared) {
			v.fault(path+".name", RuleObservable, "%s is no attribute path of %s", brief(name.text), v.class)
			continue
		}
		if value == nil || value.kind != stringNode {
			continue
		}
		found, equal := false, false
		n.at([]byte(name.text), func(at *node) {
			found = true
			equal = equal || at.kind == objectNode || at.kind == listNode || at.jsonText() == value.text
		})
		if found && !equal {
			v.fault(path+".value", RuleObservableText, "%s is not the text of %s", brief(value.text), brief(name.text))
		}
	}
}

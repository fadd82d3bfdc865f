package ocsf

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// The rules a value, an attribute or an event can break: CheckError.Rule and Fault.Rule.
const (
	RuleRequired       = "required_missing"        // a required attribute is not there
	RuleAtLeastOne     = "constraint_at_least_one" // none of the attributes that name the object is there
	RuleEmpty          = "empty"                   // an empty string, list or object stands for "not there"
	RuleProfile        = "profile_not_declared"    // the attribute belongs to a profile that metadata.profiles does not name
	RuleProfileClass   = "profile_not_in_class"    // metadata.profiles names a profile that the class does not allow
	RuleProfileTwice   = "profile_twice"           // metadata.profiles names a profile twice
	RuleUTF8           = "utf8"                    // the text is not valid UTF-8
	RuleLength         = "max_len"                 // more characters than the OCSF type allows
	RulePattern        = "regex"                   // the text has not the form of its OCSF type
	RuleIP             = "ip_invalid"              // the text is no IP address
	RuleDatetime       = "datetime_invalid"        // the text is no datetime_t or no real date
	RuleJSON           = "json_text"               // a json_t in a string column holds no JSON
	RuleRange          = "range"                   // a port above 65535 and the like
	RuleInt32          = "int32_overflow"          // does not fit the 32 bits of an integer_t
	RuleNonFinite      = "json_nonfinite"          // NaN or an infinity
	RuleTimestampUnit  = "timestamp_unit"          // looks like seconds or microseconds: timestamp_t is milliseconds
	RuleTimezone       = "timezone_offset_range"   // more than 18 hours from UTC
	RuleTime           = "time_mismatch"           // Event.Time is not the attribute time
	RuleDatetimeValue  = "datetime_mismatch"       // x_dt is another instant than x
	RuleEnum           = "enum_value"              // not a value of the enumeration
	RuleCaption        = "sibling_caption_mismatch"
	RuleOtherText      = "enum_other_without_text" // 99 without a text of the source
	RuleOtherCaption   = "enum_other_is_caption"   // 99 with the text "Other"
	RuleTypeUID        = "type_uid_mismatch"       // not class_uid * 100 + activity_id
	RuleVersion        = "version_mismatch"        // metadata.version is not the version of the class
	RuleDuplicateKey   = "json_duplicate_key"      // a key stands twice in one object or in unmapped
	RuleObservable     = "observable_reference"    // the name is no attribute path of the class
	RuleObservableText = "observable_value"        // the value is not the text of the attribute it names
)

// CheckError says what makes an event invalid. An event with this error must not be written.
type CheckError struct {
	Attribute string // path with list positions: observables[2].value
	Rule      string // one of the Rule constants
	// Value is the start of the value at fault. It is content of the alert: Error leaves it out, and it belongs into no
	// log above debug.
	Value string
}

func (e *CheckError) Error() string { return "invalid event: " + e.Attribute + ": " + e.Rule }

// Check returns nil when ev may be written, else a *CheckError for the first fault found, in column order.
// It runs on every event; it allocates only to report a fault (and for an event with more than 512 unmapped leaves).
// It changes nothing and keeps no reference.
//
// What it demands is OCSF as an independent strict validator reads it, plus what the lake needs: no empty string, list
// or object (a missing value is null), integers that fit their column, unique keys in the map unmapped.
func Check(ev *Event) error {
	if quick(ev) {
		return nil
	}
	if err := check(ev); err != nil {
		return err
	}
	return nil
}

func check(ev *Event) *CheckError {
	c := checker{class: ev.Class}
	if err := c.declare(ev); err != nil {
		return err
	}
	if err := c.object(ev.Root); err != nil {
		return err
	}
	if err := checkRoot(ev); err != nil {
		return err
	}
	if err := checkUnmapped(ev.Unmapped); err != nil {
		return err
	}
	return checkObservables(ev, c.declared)
}

// profiles is a set of profiles, one bit each.
type profiles uint8

const (
	profileCloud profiles = 1 << iota
	profileContainer
	profileDatetime
	profileHost
	profileLinuxUsers
	profileControl
)

// profileBit returns the bit of a profile, 0 for none or an unknown one.
func profileBit(name string) profiles {
	switch name {
	case ProfileCloud:
		return profileCloud
	case ProfileContainer:
		return profileContainer
	case ProfileDatetime:
		return profileDatetime
	case ProfileHost:
		return profileHost
	case ProfileLinuxUsers:
		return profileLinuxUsers
	case ProfileSecurityControl:
		return profileControl
	}
	return 0
}

type checker struct {
	class    *Class
	declared profiles
}

// declare reads metadata.profiles.
func (c *checker) declare(ev *Event) *CheckError {
	md := ev.Root.Value("metadata")
	if md == nil || len(md.Objs) != 1 {
		return nil // reported as missing
	}
	v := md.Objs[0].Value("profiles")
	if v == nil {
		return nil
	}
	for i, p := range v.Strs {
		var rule string
		bit := profileBit(string(p))
		switch {
		case bit == 0 || !c.class.allows(p):
			rule = RuleProfileClass
		case c.declared&bit != 0:
			rule = RuleProfileTwice
		}
		if rule != "" {
			return fault("metadata.profiles["+strconv.Itoa(i)+"]", rule, p)
		}
		c.declared |= bit
	}
	return nil
}

func (c *Class) allows(profile []byte) bool {
	for _, p := range c.Profiles {
		if p == string(profile) {
			return true
		}
	}
	return false
}

// active reports whether the attribute exists for an event with these profiles.
func (a *Attr) active(declared profiles) bool { return a.profile == 0 || a.profile&declared != 0 }

func (c *checker) object(o *Object) *CheckError {
	empty := true
	for i := range o.Values {
		a, v := &o.Type.Attrs[i], &o.Values[i]
		if !v.Set {
			if a.Required && a.active(c.declared) {
				return fault(a.Name, RuleRequired, nil)
			}
			continue
		}
		empty = false
		if !a.active(c.declared) {
			return fault(a.Name, RuleProfile, nil)
		}
		if err := c.value(o, a, v); err != nil {
			return err
		}
	}
	if empty {
		return fault("", RuleEmpty, nil)
	}
	for _, name := range o.Type.AtLeastOne {
		if o.Value(name) != nil {
			return nil
		}
	}
	if len(o.Type.AtLeastOne) > 0 {
		return fault("", RuleAtLeastOne, nil)
	}
	return nil
}

func (c *checker) value(o *Object, a *Attr, v *Value) *CheckError {
	switch {
	case a.Kind == KindMap:
		return nil // lies in Event.Unmapped
	case a.Kind == KindObject && a.List:
		if len(v.Objs) == 0 {
			return fault(a.Name, RuleEmpty, nil)
		}
		for i, el := range v.Objs {
			if err := c.object(el); err != nil {
				return err.under(a.Name + "[" + strconv.Itoa(i) + "]")
			}
		}
	case a.Kind == KindObject:
		if len(v.Objs) != 1 {
			return fault(a.Name, RuleEmpty, nil)
		}
		if err := c.object(v.Objs[0]); err != nil {
			return err.under(a.Name)
		}
	case a.Kind == KindString && a.List:
		if len(v.Strs) == 0 {
			return fault(a.Name, RuleEmpty, nil)
		}
		for i, s := range v.Strs {
			if rule := a.textFault(s); rule != "" {
				return fault(a.Name+"["+strconv.Itoa(i)+"]", rule, s)
			}
		}
	case a.Kind == KindString:
		if rule := a.textFault(v.Str); rule != "" {
			return fault(a.Name, rule, v.Str)
		}
	default:
		if rule := a.numberFault(o, v); rule != "" {
			return numberFault(a, v, rule)
		}
		if a.Enum != nil {
			return a.checkEnum(o, v)
		}
	}
	return nil
}

func (a *Attr) textFault(s []byte) string {
	if len(s) == 0 {
		return RuleEmpty
	}
	return a.text.fault(s)
}

// plausibleMillis reports whether a timestamp can be milliseconds: 1973 to 5138, before the epoch likewise, or 0.
func plausibleMillis(ms int64) bool {
	const least, most = 100_000_000_000, 100_000_000_000_000
	return ms == 0 || ms >= least && ms < most || ms <= -least && ms > -most
}

func (a *Attr) numberFault(o *Object, v *Value) string {
	switch a.Kind {
	case KindInt:
		switch {
		case v.Num < math.MinInt32 || v.Num > math.MaxInt32:
			return RuleInt32
		case a.port && (v.Num < 0 || v.Num > math.MaxUint16):
			return RuleRange
		}
	case KindLong:
		if a.millis && !plausibleMillis(v.Num) {
			return RuleTimestampUnit
		}
	case KindFloat:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return RuleNonFinite
		}
	case KindBool:
		if v.Num != 0 && v.Num != 1 {
			return RuleRange
		}
	case KindTime:
		if !plausibleMillis(v.Num) {
			return RuleTimestampUnit
		}
		if a.base >= 0 && o.Values[a.base].Set && o.Values[a.base].Num != v.Num {
			return RuleDatetimeValue
		}
	}
	return ""
}

// checkEnum checks the value and the caption beside it.
func (a *Attr) checkEnum(o *Object, v *Value) *CheckError {
	caption, ok := a.Enum.Captions[v.Num]
	if !ok {
		return numberFault(a, v, RuleEnum)
	}
	if a.caption < 0 {
		return nil
	}
	sibling := &o.Values[a.caption]
	text := sibling.Str
	if a.List && sibling.Set {
		if len(sibling.Strs) != 1 { // as many captions as values, and there is one value
			return fault(a.Enum.Sibling, RuleCaption, nil)
		}
		text = sibling.Strs[0]
	}
	switch {
	case v.Num == otherID && (!sibling.Set || len(bytes.TrimSpace(text)) == 0):
		return numberFault(a, v, RuleOtherText)
	case v.Num == otherID && string(text) == caption:
		return fault(a.Enum.Sibling, RuleOtherCaption, text)
	case v.Num != otherID && sibling.Set && string(text) != caption:
		return fault(a.Enum.Sibling, RuleCaption, text)
	}
	return nil
}

// checkRoot checks what concerns the event as a whole; the attributes themselves are in order.
func checkRoot(ev *Event) *CheckError {
	r := ev.Root
	// Both are required, and by now neither is nil.
	if v := r.Value("time"); v.Num != ev.Time {
		return fault("time", RuleTime, nil)
	}
	if v := r.Value("type_uid"); v.Num != int64(ev.Class.UID)*100+r.Value("activity_id").Num {
		return fault("type_uid", RuleTypeUID, strconv.AppendInt(nil, v.Num, 10))
	}
	if v := r.Value("timezone_offset"); v != nil && !plausibleOffset(v.Num) {
		return fault("timezone_offset", RuleTimezone, strconv.AppendInt(nil, v.Num, 10))
	}
	if v := r.Value("metadata").Objs[0].Value("version"); string(v.Str) != ev.Class.Version {
		return fault("metadata.version", RuleVersion, v.Str)
	}
	return nil
}

func plausibleOffset(minutes int64) bool { return minutes >= -18*60 && minutes <= 18*60 }

// checkUnmapped: the map must have unique keys, or Athena and Spark refuse the whole row group ("Duplicate map keys").
func checkUnmapped(kvs []KeyValue) *CheckError {
	for _, kv := range kvs {
		switch {
		case len(kv.Key) == 0:
			return fault("unmapped", RuleEmpty, nil)
		case !ascii(kv.Key) && !utf8.Valid(kv.Key):
			return fault("unmapped", RuleUTF8, kv.Key)
		case !ascii(kv.Value) && !utf8.Valid(kv.Value):
			return fault("unmapped", RuleUTF8, kv.Key)
		}
	}
	if i := duplicateKey(kvs); i >= 0 {
		return fault("unmapped", RuleDuplicateKey, kvs[i].Key)
	}
	return nil
}

// duplicateKey returns the position of a key that stood there before, or -1. Up to tableKeys keys it uses a hash table
// on the stack. The keys are chosen by whoever writes the logs and may all collide, which costs at most
// tableKeys²/2 comparisons; beyond that the map of the runtime, with its random seed, takes over.
func duplicateKey(kvs []KeyValue) int {
	const tableKeys, slots = 512, 1024
	if len(kvs) > tableKeys {
		seen := make(map[string]struct{}, len(kvs))
		for i, kv := range kvs {
			if _, ok := seen[string(kv.Key)]; ok {
				return i
			}
			seen[string(kv.Key)] = struct{}{}
		}
		return -1
	}
	var table [slots]uint16 // position + 1
	for i, kv := range kvs {
		h := keyHash(kv.Key)
		for h %= slots; table[h] != 0; h = (h + 1) % slots {
			if bytes.Equal(kvs[table[h]-1].Key, kv.Key) {
				return i
			}
		}
		table[h] = uint16(i + 1)
	}
	return -1
}

// keyHash takes eight bytes at a time.
func keyHash(key []byte) uint64 {
	h := uint64(len(key))
	for ; len(key) >= 8; key = key[8:] {
		h = (h ^ binary.LittleEndian.Uint64(key)) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	for _, b := range key {
		h = h<<8 ^ h>>56 ^ uint64(b)
	}
	h *= 0x9e3779b97f4a7c15
	return h >> 40
}

const maxFaultValue = 80 // bytes of a value kept in an error

func fault(attribute, rule string, value []byte) *CheckError {
	return &CheckError{Attribute: attribute, Rule: rule, Value: string(value[:min(len(value), maxFaultValue)])}
}

func numberFault(a *Attr, v *Value, rule string) *CheckError {
	if a.Kind == KindFloat {
		return fault(a.Name, rule, strconv.AppendFloat(nil, v.Float(), 'g', -1, 64))
	}
	return fault(a.Name, rule, strconv.AppendInt(nil, v.Num, 10))
}

// under puts the attribute below its parent. The object itself is at fault when it has no attribute yet.
func (e *CheckError) under(parent string) *CheckError {
	if e.Attribute == "" {
		e.Attribute = parent
	} else {
		e.Attribute = parent + "." + e.Attribute
	}
	return e
}

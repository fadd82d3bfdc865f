package ocsf

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"time"
	"unicode/utf8"
)

// The patterns of the OCSF string types as hand-written matchers: they run on every value of every event and allocate
// nothing. Each accepts what the regular expression of the release accepts, except where noted; the tests compare both.

// fault returns the rule that a value that is not empty breaks, or "".
func (t *textType) fault(v []byte) string {
	switch {
	case !utf8.Valid(v):
		return RuleUTF8
	case t.tooLong(v):
		return RuleLength
	case t.valid != nil && !t.valid(v):
		return t.rule
	}
	return ""
}

// tooLong counts the characters only when the bytes alone do not settle it.
func (t *textType) tooLong(v []byte) bool {
	return t.maxChars > 0 && len(v) > t.maxChars && utf8.RuneCount(v) > t.maxChars
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func every(v []byte, ok func(byte) bool) bool {
	for _, c := range v {
		if !ok(c) {
			return false
		}
	}
	return true
}

// ValidHostname reports whether v is a hostname_t: labels of letters, digits and inner hyphens, joined by single dots.
// An underscore, a space or a trailing dot is no host name for OCSF; such names belong into "name".
func ValidHostname(v []byte) bool {
	label := 0 // bytes of the label so far
	for i, c := range v {
		switch {
		case isAlnum(c):
			label++
		case c == '-' && label > 0 && i+1 < len(v) && v[i+1] != '.':
			label++
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	return label > 0
}

// ValidMAC reports whether v is a mac_t: six pairs of hexadecimal digits joined by ':' or '-'.
func ValidMAC(v []byte) bool {
	if len(v) != 17 {
		return false
	}
	for i, c := range v {
		if i%3 == 2 && c != ':' && c != '-' || i%3 != 2 && !isHex(c) {
			return false
		}
	}
	return true
}

// ValidEmail reports whether v is an email_t in every OCSF version: the pattern of 1.1.0, which is the narrower one.
func ValidEmail(v []byte) bool { return validEmail110(v) }

func validEmail110(v []byte) bool {
	return validEmail(v, func(c byte) bool {
		return isAlnum(c) || c == '_' || c == '.' || c == '+' || c == '-'
	})
}

// validEmail130: the "+-/" in the pattern of 1.3.0 is a range, so the comma is legal too.
func validEmail130(v []byte) bool {
	return validEmail(v, func(c byte) bool {
		return isAlnum(c) || bytes.IndexByte([]byte("!#$%&'*+,-./=?^_`{|}~"), c) >= 0
	})
}

func validEmail(v []byte, local func(byte) bool) bool {
	at := bytes.IndexByte(v, '@')
	if at < 1 || !every(v[:at], local) {
		return false
	}
	domain := v[at+1:]
	dot := bytes.IndexByte(domain, '.')
	return dot > 0 && dot+1 < len(domain) &&
		every(domain, func(c byte) bool { return isAlnum(c) || c == '-' || c == '.' })
}

// validUUID is anchored, which the pattern of OCSF forgot to be.
func validUUID(v []byte) bool {
	if len(v) != 36 {
		return false
	}
	for i, c := range v {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isHex(c) {
			return false
		}
	}
	return true
}

// validSubnet: OCSF has no pattern for subnet_t; CIDR notation is what its description says.
func validSubnet(v []byte) bool {
	_, err := netip.ParsePrefix(string(v))
	return err == nil
}

func validJSON(v []byte) bool { return json.Valid(v) }

// validDatetime reports whether v has the form of datetime_t and is a real date.
func validDatetime(v []byte) bool {
	_, ok := parseDatetime(v)
	return ok
}

// parseDatetime returns the epoch milliseconds of a datetime_t, rounded down. Without a zone it is UTC.
// time.Parse alone would take a comma before the fraction and one-digit hours.
func parseDatetime(v []byte) (ms int64, ok bool) {
	const form = "0000-00-00T00:00:00"
	if len(v) < len(form) {
		return 0, false
	}
	for i := range len(form) {
		if c := form[i]; c == '0' && !isDigit(v[i]) || c != '0' && v[i] != c {
			return 0, false
		}
	}
	rest := v[len(form):]
	if len(rest) > 0 && rest[0] == '.' {
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		if n == 1 {
			return 0, false
		}
		rest = rest[n:]
	}
	layout := "2006-01-02T15:04:05Z07:00"
	switch {
	case len(rest) == 0:
		layout = "2006-01-02T15:04:05"
	case len(rest) == 1 && rest[0] == 'Z':
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
	default:
		return 0, false
	}
	t, err := time.Parse(layout, string(v))
	if err != nil {
		return 0, false
	}
	return t.UnixMilli(), true
}

// ValidIP reports whether v is an ip_t that is a real address: IPv4 in four decimal parts without leading zeros, or IPv6
// in any RFC 4291 form, with a zone at most. The pattern of OCSF takes more (its dots are not escaped: "1a2b3c4").
func ValidIP(v []byte) bool {
	if bytes.IndexByte(v, ':') < 0 {
		return validIPv4(v)
	}
	if i := bytes.IndexByte(v, '%'); i >= 0 {
		zone := v[i+1:]
		if len(zone) == 0 || bytes.IndexByte(zone, '\n') >= 0 {
			return false
		}
		v = v[:i]
	}
	return validIPv6(v)
}

func validIPv4(v []byte) bool {
	part, digits, parts := 0, 0, 1
	for _, c := range v {
		switch {
		case isDigit(c):
			if digits > 0 && part == 0 { // a leading zero would be octal for some readers
				return false
			}
			if part, digits = part*10+int(c-'0'), digits+1; part > 255 {
				return false
			}
		case c == '.' && digits > 0:
			part, digits, parts = 0, 0, parts+1
		default:
			return false
		}
	}
	return parts == 4 && digits > 0
}

func validIPv6(v []byte) bool {
	groups, compressed := 0, false
	if bytes.HasPrefix(v, []byte("::")) {
		compressed, v = true, v[2:]
	}
	for len(v) > 0 {
		n := 0
		for n < len(v) && isHex(v[n]) {
			n++
		}
		if n < len(v) && v[n] == '.' { // the last 32 bits in IPv4 notation
			groups += 2
			if !validIPv4(v) {
				return false
			}
			break
		}
		if n == 0 || n > 4 {
			return false
		}
		if groups++; groups > 8 {
			return false
		}
		v = v[n:]
		switch {
		case len(v) == 0:
		case v[0] != ':' || len(v) == 1:
			return false
		case v[1] == ':':
			if compressed {
				return false
			}
			compressed, v = true, v[2:]
		default:
			v = v[1:]
		}
	}
	return groups <= 8 && compressed == (groups < 8)
}

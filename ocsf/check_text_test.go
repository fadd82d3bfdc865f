package ocsf

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

// matchers are the hand-written matchers and what each must agree with, for any text but the empty one.
func matchers() map[string]struct {
	got      func([]byte) bool
	want     func(string) bool
	alphabet string   // of the random texts
	seeds    []string // texts near the border, which the random texts are made from
} {
	pattern := func(p string) func(string) bool { return regexp.MustCompile(`\A(?:` + p + `)\z`).MatchString }
	ip := func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && !strings.Contains(a.Zone(), "\n")
	}
	datetime := pattern(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(Z|[\+-]\d{2}:\d{2})?`)
	type matcher = struct {
		got      func([]byte) bool
		want     func(string) bool
		alphabet string
		seeds    []string
	}
	return map[string]matcher{
		"hostname": {ValidHostname,
			pattern(`(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9\-]*[A-Za-z0-9])`),
			"aZ0-._\n é", []string{"host-1.example.com", "a", "-a", "a-", "a.-b", "a-.b", "a..b", "a.", "xn--p1ai", "a_b", "host\n", "1.2.3.4"}},
		"mac": {ValidMAC, pattern(`([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})`), "09aAfFgG:-",
			[]string{"00:1A:2b:3C:4d:5E", "00-1A-2b-3C-4d-5E", "00:1A-2b:3C-4d:5E", "001A2b3C4d5E", "00:1A:2b:3C:4d:5E:"}},
		"email of 1.1.0": {validEmail110, pattern(`[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+`), "aZ0_.+-@'! \n",
			[]string{"root@example.com", "a.b+c@x-y.z.", "a@b", "@b.c", "a@.c", "a@b.", "a@@b.c", "o'neil@example.com"}},
		"email of 1.3.0": {validEmail130, pattern("[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\\.[a-zA-Z0-9-.]+"), "aZ0_.+-@'!,/(:;<{}|~` ",
			[]string{"o'neil@example.com", "a,b@c.d", "a/b=c?d^e@f.g", "a(b@c.d", "a:b@c.d", "{a}@b.c"}},
		"uuid": {validUUID, pattern(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`), "09afAFgG-",
			[]string{"5f2b1e9e-5a0c-5d55-8c9e-0a1b2c3d4e5f", "5F2B1E9E-5A0C-5D55-8C9E-0A1B2C3D4E5F", "5f2b1e9e5a0c5d558c9e0a1b2c3d4e5f"}},
		"ip": {ValidIP, ip, "0129afAFgx:.%/ \n",
			[]string{"192.0.2.1", "0.0.0.0", "255.255.255.255", "256.1.1.1", "01.1.1.1", "1.2.3", "1.2.3.4.5", "::", "::1", "1::", "2001:db8::1",
				"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "::ffff:192.0.2.1",
				"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6::1.2.3.4", "64:ff9b::1.2.3.4", "1.2.3.4::", "fe80::1%eth0",
				"fe80::1%", "1::2::3", ":1", "1:", ":::", "12345::", "1.2.3.4%eth0", "1a2b3c4", "::1.2.3.4:5", "::1.2.3.04", "fe80::1%a%b"}},
		"datetime": {validDatetime,
			func(s string) bool {
				if !datetime(s) {
					return false
				}
				// The pattern alone takes month 13. What is left to time.Parse is the calendar.
				if _, err := time.Parse("2006-01-02T15:04:05", s[:19]); err != nil {
					return false
				}
				if len(s) < 25 || s[len(s)-1] == 'Z' || s[len(s)-3] != ':' {
					return true
				}
				_, err := time.Parse("-07:00", s[len(s)-6:])
				return err == nil
			},
			"0123459-:.TZ+ ,", []string{"2026-03-01T00:00:00.976Z", "2026-03-01T00:00:00+01:00", "2026-02-29T00:00:00Z", "2024-02-29T23:59:59",
				"2026-03-01T24:00:00Z", "2026-03-01 00:00:00Z", "2026-03-01T00:00:00,5Z", "2026-03-01T00:00:00.Z", "2026-03-01t00:00:00z",
				"2026-03-01T00:00:60Z", "2026-03-01T00:00:00+25:00", "2026-03-01T00:00:00.123456789123Z"}},
	}
}

// TestMatchersAgree changes, drops and adds characters of texts near the border, from a fixed seed.
func TestMatchersAgree(t *testing.T) {
	for name, m := range matchers() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			accepted, refused := 0, 0
			check := func(s string) {
				if s == "" {
					return
				}
				got, want := m.got([]byte(s)), m.want(s)
				if got != want {
					t.Errorf("%q: got %v, want %v", s, got, want)
				}
				if want {
					accepted++
				} else {
					refused++
				}
			}
			alphabet := []rune(m.alphabet)
			for _, seed := range m.seeds {
				check(seed)
				for range 4000 {
					s := []rune(seed)
					for range 1 + r.IntN(3) {
						i := r.IntN(len(s) + 1)
						c := alphabet[r.IntN(len(alphabet))]
						switch k := r.IntN(3); {
						case k == 0:
							s = append(s[:i], append([]rune{c}, s[i:]...)...)
						case k == 1 && i < len(s):
							s[i] = c
						case i < len(s):
							s = append(s[:i], s[i+1:]...)
						}
					}
					check(string(s))
				}
			}
			if accepted < 100 || refused < 100 {
				t.Errorf("only %d accepted and %d refused texts: the texts prove little", accepted, refused)
			}
		})
	}
}

func FuzzMatchers(f *testing.F) {
	all := matchers()
	for _, m := range all {
		for _, s := range m.seeds {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		for name, m := range all {
			if got, want := m.got([]byte(s)), m.want(s); got != want {
				t.Errorf("%s %q: got %v, want %v", name, s, got, want)
			}
		}
	})
}

// TestMatchersAgainstRelease: whatever a matcher accepts, the pattern of the release accepts too, as it stands there.
func TestMatchersAgainstRelease(t *testing.T) {
	types := map[string]string{"hostname": "hostname_t", "mac": "mac_t", "uuid": "uuid_t", "ip": "ip_t", "datetime": "datetime_t"}
	for _, version := range Versions() {
		s := compiledOCSF(t, version)
		types["email of "+version] = "email_t"
		for name, m := range matchers() {
			ocsfType := types[name]
			if ocsfType == "" {
				continue // an email_t of the other version
			}
			re := regexp.MustCompile(s.Types[ocsfType].Regex)
			r := rand.New(rand.NewPCG(3, 4))
			alphabet := []rune(m.alphabet)
			for _, seed := range m.seeds {
				for range 1000 {
					text := []rune(seed)
					text[r.IntN(len(text))] = alphabet[r.IntN(len(alphabet))]
					got, want := m.got([]byte(string(text))), re.MatchString(string(text))
					// ip_t and datetime_t are narrower than their patterns on purpose, uuid_t is anchored.
					if narrower := name == "ip" || name == "datetime" || name == "uuid"; got && !want || want && !got && !narrower {
						t.Errorf("%s %s %q: got %v, want %v", version, name, string(text), got, want)
					}
				}
			}
		}
		delete(types, "email of "+version)
	}
}

// fitsType reports whether v may stand in an attribute of an OCSF string type in every OCSF version written here:
// not empty, valid UTF-8, short enough and of the right form. It is false for a type that is no string type.
func fitsType(ocsfType string, v []byte) bool {
	t, ok := textTypeOf(ocsfType, Version110) // of the two email_t the narrower one
	return ok && len(v) > 0 && t.fault(v) == ""
}

func TestFitsType(t *testing.T) {
	for _, c := range []struct {
		ocsfType, value string
		want            bool
	}{
		{"string_t", "x", true},
		{"string_t", "", false},
		{"string_t", "\xff", false},
		{"string_t", strings.Repeat("é", 65535), true},
		{"string_t", strings.Repeat("é", 65536), false},
		{"file_hash_t", strings.Repeat("a", 64), true},
		{"file_hash_t", strings.Repeat("a", 65), false},
		{"file_hash_t", strings.Repeat("é", 64), true},
		{"ip_t", "::1", true},
		{"ip_t", "localhost", false},
		{"ip_t", "fe80::1%" + strings.Repeat("z", 40), false},
		{"hostname_t", "web-1", true},
		{"hostname_t", "web_1", false},
		{"mac_t", "00:11:22:33:44:55", true},
		{"email_t", "a@b.c", true},
		{"email_t", "o'neil@b.c", false}, // legal from 1.3.0 on only
		{"uuid_t", "5f2b1e9e-5a0c-5d55-8c9e-0a1b2c3d4e5f", true},
		{"subnet_t", "10.0.0.0/8", true},
		{"subnet_t", "10.0.0.0", false},
		{"datetime_t", "2026-03-01T00:00:00Z", true},
		{"json_t", `{"a":1}`, true},
		{"json_t", `{a:1}`, false},
		{"integer_t", "1", false},
		{"object_t", "x", false},
		{"", "x", false},
	} {
		if got := fitsType(c.ocsfType, []byte(c.value)); got != c.want {
			t.Errorf("fitsType(%s, %.40q) = %v, want %v", c.ocsfType, c.value, got, c.want)
		}
	}
	if !ValidEmail([]byte("a@b.c")) || ValidEmail([]byte("a@b")) {
		t.Error("ValidEmail")
	}
}

func TestParseDatetime(t *testing.T) {
	for text, want := range map[string]int64{
		"2026-03-01T00:00:00.976Z":      testTime,
		"2026-03-01T01:00:00.976+01:00": testTime,
		"2026-03-01T00:00:00.976":       testTime,
		"2026-03-01T00:00:00.9769999Z":  testTime,
		"1970-01-01T00:00:00Z":          0,
		"1969-12-31T23:59:59.9995Z":     -1,
	} {
		if got, ok := parseDatetime([]byte(text)); !ok || got != want {
			t.Errorf("parseDatetime(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
}

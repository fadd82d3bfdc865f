package lake

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDate(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "19700101", 1713744000000: "20240422", 1713743999999: "20240421", 1709164800000: "20240229", 253402300799999: "99991231",
	} {
		if got := DateOf(ms).String(); got != want {
			t.Errorf("DateOf(%d): got %s, want %s", ms, got, want)
		}
		d, err := ParseDate(want)
		if err != nil || d != DateOf(ms) {
			t.Errorf("ParseDate(%s): got %v, %v", want, d, err)
		}
		if d.Start() > ms || d.End() <= ms {
			t.Errorf("%d is not in [%d, %d)", ms, d.Start(), d.End())
		}
	}
	if got, want := DateOf(-1), Date(-1); got != want {
		t.Errorf("DateOf(-1): got %d, want %d", got, want)
	}
	for _, s := range []string{"", "2024-04-22", "20240230", "20241301", "2024042", "202404220", "+2024042"} {
		if d, err := ParseDate(s); err == nil {
			t.Errorf("ParseDate(%q): got %v, want an error", s, d)
		}
	}
}

func TestKey(t *testing.T) {
	good := Partition{Source: "wazuh", Region: "us-east-1", AccountID: "123456789012", Day: DateOf(day)}
	const name = "m1-ab12-17-0-0123456789abcdef.parquet"
	for title, test := range map[string]struct {
		contract Contract
		change   func(*Partition)
		name     string
		want     string // "" is an error
	}{
		"default":        {want: "ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=20240422/" + name},
		"versioned":      {contract: Contract{"ext/wazuh/1.0/"}, want: "ext/wazuh/1.0/region=us-east-1/accountId=123456789012/eventDay=20240422/" + name},
		"no final slash": {contract: Contract{"ext/wazuh/1.0"}, want: "ext/wazuh/1.0/region=us-east-1/accountId=123456789012/eventDay=20240422/" + name},
		"external": {change: func(p *Partition) { p.AccountID = "external_acme-1" },
			want: "ext/wazuh/region=us-east-1/accountId=external_acme-1/eventDay=20240422/" + name},
		"gov":              {change: func(p *Partition) { p.Region = "us-gov-west-1" }, want: "ext/wazuh/region=us-gov-west-1/accountId=123456789012/eventDay=20240422/" + name},
		"prefix elsewhere": {contract: Contract{"aws/wazuh/"}},
		"prefix upwards":   {contract: Contract{"ext/../wazuh/"}},
		"prefix doubled":   {contract: Contract{"ext//wazuh/"}},
		"prefix rooted":    {contract: Contract{"/ext/wazuh/"}},
		"source slash":     {change: func(p *Partition) { p.Source = "a/b" }},
		"source upwards":   {change: func(p *Partition) { p.Source = ".." }},
		"source empty":     {change: func(p *Partition) { p.Source = "" }},
		"source long":      {change: func(p *Partition) { p.Source = strings.Repeat("a", 65) }},
		"source space":     {change: func(p *Partition) { p.Source = "a b" }},
		"source newline":   {change: func(p *Partition) { p.Source = "wazuh\n" }},
		"region":           {change: func(p *Partition) { p.Region = "us_east_1" }},
		"region empty":     {change: func(p *Partition) { p.Region = "" }},
		"region slash":     {change: func(p *Partition) { p.Region = "us-east-1/x" }},
		"account short":    {change: func(p *Partition) { p.AccountID = "12345678901" }},
		"account words":    {change: func(p *Partition) { p.AccountID = "externalx" }},
		"account bare":     {change: func(p *Partition) { p.AccountID = "external_" }},
		"account slash":    {change: func(p *Partition) { p.AccountID = "external_a/b" }},
		"day before 1970":  {change: func(p *Partition) { p.Day = -1 }},
		"day after 9999":   {change: func(p *Partition) { p.Day = DateOf(253402300800000) }},
		"name upwards":     {name: "../x.parquet"},
		"name hidden":      {name: ".x.parquet"},
		"name suffix":      {name: "x.parquet.tmp"},
		"name empty":       {name: ".parquet"},
	} {
		t.Run(title, func(t *testing.T) {
			p := good
			if test.change != nil {
				test.change(&p)
			}
			n := test.name
			if n == "" {
				n = name
			}
			got, err := test.contract.Key(p, n)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Fatalf("got %q, %v, want %q", got, err, test.want)
			}
			if err != nil {
				return
			}
			for _, local := range []string{"", "demo-lake/", "/var/ext/lake/"} {
				c, q, m, err := ParseKey(local + got)
				if err != nil {
					t.Fatal(err)
				}
				if back, err := c.Key(q, m); q != p || m != n || back != got || err != nil {
					t.Errorf("ParseKey(%q): got %+v %+v %q, %v", local+got, c, q, m, err)
				}
			}
		})
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, key := range []string{
		"", "x.parquet", "ext/wazuh/x.parquet",
		"ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=2024-04-22/x.parquet",
		"ext/wazuh/region=us-east-1/accountid=123456789012/eventday=20240422/x.parquet",
		"ext/wazuh/accountId=123456789012/region=us-east-1/eventDay=20240422/x.parquet",
		"aws/wazuh/region=us-east-1/accountId=123456789012/eventDay=20240422/x.parquet",
		"ext/wazuh/../region=us-east-1/accountId=123456789012/eventDay=20240422/x.parquet",
		"ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=20240422/x.json",
	} {
		if c, p, n, err := ParseKey(key); err == nil {
			t.Errorf("ParseKey(%q): got %v %v %q, want an error", key, c, p, n)
		}
	}
}

// TestKeyNeverEscapes: whatever the parts are, a key that comes out has exactly the parts that went in.
func TestKeyNeverEscapes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Partition{
			Source:    rapid.StringMatching(`[A-Za-z0-9_.:/-]{0,8}`).Draw(t, "source"),
			Region:    rapid.SampledFrom([]string{"us-east-1", "eu-west-2", "..", "a/b"}).Draw(t, "region"),
			AccountID: rapid.StringMatching(`([0-9]{12}|external_[a-z./]{1,4})`).Draw(t, "account"),
			Day:       Date(rapid.Int32Range(-10, 3000000).Draw(t, "day")),
		}
		key, err := Contract{}.Key(p, "x.parquet")
		if err != nil {
			return
		}
		_, q, _, err := ParseKey(key)
		if err != nil || p != q {
			t.Fatalf("%q: got %+v, %v, want %+v", key, q, err, p)
		}
	})
}

func TestObjectName(t *testing.T) {
	sum := [32]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff}
	got, err := ObjectName("wazuh-m1.example", "9f2c", 17, 3, sum)
	if want := "wazuh-m1.example-9f2c-17-3-0123456789abcdef.parquet"; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, node := range []string{"", "a/b", "..", ".a", "a b", strings.Repeat("a", 65), "ü"} {
		if got, err := ObjectName(node, "i", 1, 0, sum); err == nil {
			t.Errorf("node %q: got %q, want an error", node, got)
		}
		if got, err := ObjectName("n", node, 1, 0, sum); err == nil {
			t.Errorf("instance %q: got %q, want an error", node, got)
		}
	}
	if got, err := ObjectName("n", "i", 1, -1, sum); err == nil {
		t.Errorf("number -1: got %q, want an error", got)
	}
	// The longest name allowed is still a name that Key takes.
	long := strings.Repeat("a", 64)
	name, err := ObjectName(long, long, 1<<63, 1<<30, sum)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Contract{}).Key(Partition{"s", "us-east-1", "external", 0}, name); err != nil {
		t.Error(err)
	}
}

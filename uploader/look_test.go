package uploader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wazuh-security-lake/spool"
)

const lookDir = "ext/wazuh/region=us-east-1/accountId=1/eventDay=20260314"

func lookAt(destination string, names ...string) []spool.Object {
	var out []spool.Object
	for _, n := range names {
		out = append(out, spool.Object{Destination: destination, Source: "wazuh", Key: lookDir + "/" + n})
	}
	return out
}

// lookS3 answers listings, a page per object, and requests for single objects.
type lookS3 struct {
	sizes           map[string]int // by name in lookDir
	mayList, mayGet bool
	hides           bool // as S3 does: 403 for what is not there, to whoever may not list
	faults          int  // answered with 503 first
}

func (s *lookS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.faults > 0 {
		s.faults--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	q := r.URL.Query()
	if q.Get("list-type") == "2" {
		if !s.mayList {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<Error><Code>AccessDenied</Code></Error>`)
			return
		}
		names := []string{"a", "b", "c"}
		at := strings.Index("abc", q.Get("continuation-token"))
		fmt.Fprint(w, `<ListBucketResult>`)
		if size, ok := s.sizes[names[at]]; ok {
			fmt.Fprintf(w, `<Contents><Key>%s/%s</Key><Size>%d</Size></Contents>`, lookDir, names[at], size)
		}
		if at+1 < len(names) {
			fmt.Fprintf(w, `<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>`, names[at+1])
		}
		fmt.Fprint(w, `</ListBucketResult>`)
		return
	}
	size, ok := s.sizes[filepath.Base(r.URL.Path)]
	switch {
	case !s.mayGet:
		w.WriteHeader(http.StatusForbidden)
	case !ok && s.hides:
		w.WriteHeader(http.StatusForbidden)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(size))
	}
}

func TestSizesInS3(t *testing.T) {
	there := map[string]int{"a": 10, "c": 30}
	tests := map[string]struct {
		s3    lookS3
		whole bool
		err   error
		want  map[string]int64
	}{
		"listed":           {lookS3{sizes: there, mayList: true}, true, nil, map[string]int64{lookDir + "/a": 10, lookDir + "/c": 30}},
		"one by one":       {lookS3{sizes: there, mayGet: true}, false, nil, map[string]int64{lookDir + "/a": 10}},
		"one is gone":      {lookS3{sizes: there, mayGet: true, hides: true}, false, nil, map[string]int64{lookDir + "/a": 10}},
		"the first is":     {lookS3{sizes: map[string]int{"b": 20}, mayGet: true, hides: true}, false, nil, map[string]int64{lookDir + "/b": 20}},
		"all are gone":     {lookS3{mayGet: true, hides: true}, false, ErrMayNotLook, nil}, // who can tell
		"nothing there":    {lookS3{mayList: true}, true, nil, map[string]int64{}},
		"neither allowed":  {lookS3{sizes: there}, false, ErrMayNotLook, nil},
		"after two faults": {lookS3{sizes: there, mayList: true, faults: 2}, true, nil, map[string]int64{lookDir + "/a": 10, lookDir + "/c": 30}},
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "k")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(&test.s3)
			defer server.Close()
			d, err := Open(context.Background(), "s3://bucket", S3Options{Region: "us-east-1", S3Endpoint: server.URL, PathStyle: true})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close() //nolint:errcheck // idle connections
			got, whole, err := d.Sizes(context.Background(), lookAt("s3://bucket", "a", "b"))
			if !errors.Is(err, test.err) || whole != test.whole || !maps.Equal(got, test.want) {
				t.Errorf("got %v, %v, %v, want %v, %v, %v", got, whole, err, test.want, test.whole, test.err)
			}
		})
	}
}

func TestSizesInADirectory(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(context.Background(), "file://"+dir, S3Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range []bool{false, true} {
		want := map[string]int64{}
		if made {
			if err := os.MkdirAll(filepath.Join(dir, lookDir, "sub"), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, lookDir, "a"), []byte("12345"), 0o640); err != nil {
				t.Fatal(err)
			}
			want[lookDir+"/a"] = 5
		}
		got, whole, err := d.Sizes(context.Background(), lookAt("file://"+dir, "a", "b"))
		if err != nil || !whole || !maps.Equal(got, want) {
			t.Errorf("made %v: got %v, %v, %v, want %v", made, got, whole, err, want)
		}
	}
	if _, _, err := d.Sizes(context.Background(), []spool.Object{{Destination: "file://" + dir, Key: "../../etc/passwd"}}); err == nil {
		t.Error("a key that climbs out of the directory was looked at")
	}
}

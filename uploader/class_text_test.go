package uploader

import (
	"encoding/json"
	"testing"
)

// status reads what the daemon wrote.
func TestClassReadsItsName(t *testing.T) {
	for c := Retryable; c <= Corrupt; c++ {
		data, err := json.Marshal(Failure{Class: c})
		if err != nil {
			t.Fatal(err)
		}
		var got Failure
		if err := json.Unmarshal(data, &got); err != nil || got.Class != c {
			t.Errorf("class %v comes back as %v, %v", c, got.Class, err)
		}
	}
}

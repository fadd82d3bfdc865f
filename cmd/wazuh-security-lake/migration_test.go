package main

import (
	"os"
	"regexp"
	"testing"

	"wazuh-security-lake/config"
)

// docs/MIGRATION.md names every variable of the Lambda with the key that it sets.
func TestMigrationNamesWhatTheVariablesSet(t *testing.T) {
	page, err := os.ReadFile("../../docs/MIGRATION.md")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"AWS_BUCKET": "lake-bucket", "SOURCE_LOCATION": "wazuh2", "ACCOUNT_ID": "123456789012", "REGION": "us-east-1",
		"ROLE_ARN": "arn:aws:iam::123456789012:role/r", "EXTERNAL_ID": "some-id", "S3_BUCKET_OCSF": "other", "OCSF_CLASS": "DETECTION_FINDING",
		"AWS_ENDPOINT": "http://127.0.0.1:1",
	}
	environ := []string{"IS_DEV=true"}
	for name, value := range values {
		environ = append(environ, name+"="+value)
	}
	file := t.TempDir() + "/config.yaml"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(file, environ, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)`[^|]*\\| `([a-z0-9_.\\[\\]]+)`").FindAllStringSubmatch(string(page), -1)
	documented := make(map[string]string)
	for _, r := range rows {
		if _, ours := values[r[1]]; ours {
			documented[r[1]] = r[2]
		}
	}
	for name := range values {
		key := documented[name]
		if o := loaded.Origins[key]; o.Kind != config.FromLambda || o.Name != name {
			t.Errorf("%s: the page says it sets %q, which comes from %s", name, key, o)
		}
	}
}

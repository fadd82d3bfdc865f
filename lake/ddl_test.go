package lake

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"wazuh-security-lake/ocsf"
)

func TestAthenaDDL(t *testing.T) {
	want := "CREATE EXTERNAL TABLE IF NOT EXISTS `db`.`wazuh` (\n" +
		"  `class_uid` int,\n  `type_uid` bigint,\n  `time` bigint,\n  `time_dt` timestamp,\n  `is_alert` boolean,\n" +
		"  `message` string,\n  `types` array<string>,\n" +
		"  `device` struct<ip:string,name:string,port:int,location:struct<lat:double,city:string>,groups:array<string>>,\n" +
		"  `vulnerabilities` array<struct<uid:string,cve:struct<uid:string,cvss:array<struct<base_score:double,version:string>>>,ids:array<int>,references:array<string>>>,\n" +
		"  `raw_data` string,\n  `unmapped` map<string,string>\n)\n" +
		"PARTITIONED BY (`region` string, `accountid` string, `eventday` string)\nSTORED AS PARQUET\n" +
		"LOCATION 's3://bucket/ext/wazuh/'\nTBLPROPERTIES ('parquet.compression'='ZSTD', 'classification'='parquet');\n"
	if diff := cmp.Diff(AthenaDDL(testClass(), "db.wazuh", "s3://bucket/ext/wazuh"), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// TestSchemaHash: the hash follows the columns, not what a column means.
func TestSchemaHash(t *testing.T) {
	base := SchemaHash(testClass())
	same := testClass()
	same.Root.Attrs[0].Required = true
	if got := SchemaHash(same); got != base {
		t.Errorf("a requirement changed the hash from %s to %s", base, got)
	}
	other := testClass()
	other.Root.Attrs[0].Kind = ocsf.KindLong
	if got := SchemaHash(other); got == base {
		t.Errorf("a type did not change the hash %s", got)
	}
}

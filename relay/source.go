package relay

import (
	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
)

// Source is one custom source of the lake: which alerts go there, as which class, and where its objects lie.
type Source struct {
	Name        string
	Class       *ocsf.Class
	Match       Match
	Region      string
	AccountID   string
	Destination string        // s3://bucket or file:///dir: pinned in the manifest of every object
	Contract    lake.Contract // the prefix below the destination
	Mapping     ocsf.Options
}

func (s *Source) partition(ms int64) lake.Partition {
	return lake.Partition{Source: s.Name, Region: s.Region, AccountID: s.AccountID, Day: lake.DateOf(ms)}
}

// Package config reads, checks and prints the configuration of wazuh-security-lake.
//
// Three steps, three functions: Default gives every value, Load lays the variables of the existing Lambda integration,
// the file, the WAZUH_LAKE_* variables and the flags over it (in this order, the later wins), Validate names all faults
// at once. Load fails only on what cannot be understood (unknown keys, wrong types); rules about values are Validate's.
package config

// DefaultPath is where the configuration lies when nobody names another file.
const DefaultPath = "/etc/wazuh-security-lake/config.yaml"

// Config is the whole configuration. It is a plain value: copy it, compare it, never share it for writing.
type Config struct {
	Input   Input    `yaml:"input"`
	Filter  Filter   `yaml:"filter"`
	Lake    Lake     `yaml:"lake"`
	Sources []Source `yaml:"sources"`
	OCSF    OCSF     `yaml:"ocsf"`
	Batch   Batch    `yaml:"batch"`
	Spool   Spool    `yaml:"spool"`
	Upload  Upload   `yaml:"upload"`
	Copy    Copy     `yaml:"copy"`
	Node    string   `yaml:"node"` // empty: cluster node, else manager name, else host name
	Log     Log      `yaml:"log"`
	Metrics Metrics  `yaml:"metrics"`
}

// The two ways alerts come in.
const (
	ModeTail        = "tail"
	ModeIntegration = "integration"
)

// Input says where alerts come from.
type Input struct {
	Mode     string `yaml:"mode"`
	Path     string `yaml:"path"`
	DatedDir string `yaml:"dated_dir"`
	// StartAt counts at the very first start only; see ParseMoment. StopAt is empty or the moment of a cut-over.
	StartAt string `yaml:"start_at"`
	StopAt  string `yaml:"stop_at"`
	Inbox   string `yaml:"inbox"`
	// InboxMaxSize is where custom-security-lake begins to refuse alerts (exit 75).
	InboxMaxSize Size `yaml:"inbox_max_size"`
}

// Match selects alerts with the names and semantics of ossec.conf's <integration> block: the fields are ANDed, the
// values of a list ORed, an empty field selects everything.
type Match struct {
	Level         int        `yaml:"level"`          // rule.level at least this
	RuleID        StringList `yaml:"rule_id"`        // rule.id, exact
	Group         StringList `yaml:"group"`          // one of rule.groups, exact
	EventLocation string     `yaml:"event_location"` // Wazuh's simple expressions (OSMatch) on location
	Agent         StringList `yaml:"agent"`          // agent.id or agent.name, exact
}

// IsZero reports whether m selects everything.
func (m Match) IsZero() bool {
	return m.Level == 0 && len(m.RuleID) == 0 && len(m.Group) == 0 && m.EventLocation == "" && len(m.Agent) == 0
}

// Filter is what reaches the lake at all. An empty Exclude excludes nothing.
type Filter struct {
	Match   `yaml:",inline"`
	Exclude Match `yaml:"exclude"`
}

// Lake is the Security Lake that receives the objects, and how to reach it.
type Lake struct {
	Destination string `yaml:"destination"` // s3://bucket or file:///directory
	Region      string `yaml:"region"`
	AccountID   string `yaml:"account_id"` // 12 digits, external or external_<id>
	RoleARN     string `yaml:"role_arn"`
	ExternalID  string `yaml:"external_id"`

	S3Endpoint   string `yaml:"s3_endpoint"`
	STSEndpoint  string `yaml:"sts_endpoint"`
	PathStyle    bool   `yaml:"path_style"`
	FIPS         bool   `yaml:"fips"`
	DualStack    bool   `yaml:"dual_stack"`
	CAFile       string `yaml:"ca_file"`
	Proxy        string `yaml:"proxy"`
	AllowHTTP    bool   `yaml:"allow_http"`
	KMSKeyID     string `yaml:"kms_key_id"`
	StorageClass string `yaml:"storage_class"`
}

// The OCSF classes a source may have.
const (
	SecurityFinding      = "security_finding"
	DetectionFinding     = "detection_finding"
	VulnerabilityFinding = "vulnerability_finding"
	ComplianceFinding    = "compliance_finding"
)

// Source is one custom source of Security Lake. Its name, class and OCSF version never change once it has shipped.
type Source struct {
	Name        string `yaml:"name"`
	Class       string `yaml:"class"`
	OCSFVersion string `yaml:"ocsf_version"`
	S3Location  string `yaml:"s3_location"` // as CreateCustomLogSource returned it; wins over lake.destination
	Match       Match  `yaml:"match"`
	// Empty: the value of lake.*. Use Config.ResolvedSources to read them.
	Region     string `yaml:"region"`
	AccountID  string `yaml:"account_id"`
	RoleARN    string `yaml:"role_arn"`
	ExternalID string `yaml:"external_id"`
}

// What of the alert goes into raw_data.
const (
	RawFullLog = "full_log"
	RawAlert   = "alert"
	RawNone    = "none"
)

// OCSF tunes the mapping.
type OCSF struct {
	// Severity holds the lowest rule levels of Low, Medium, High and Critical; below the first it is Informational.
	Severity       IntList `yaml:"severity"`
	RawData        string  `yaml:"raw_data"`
	ProductVersion string  `yaml:"product_version"`
}

// Batch says when what was read is sealed into objects.
type Batch struct {
	Interval      Duration `yaml:"interval"`
	MaxObjectSize Size     `yaml:"max_object_size"`
	// MinSize, when set, lets an interval pass without an object until the Parquet is that large or MaxWait is over.
	MinSize Size     `yaml:"min_size"`
	MaxWait Duration `yaml:"max_wait"`
}

// Spool is the durable directory between reading and uploading.
type Spool struct {
	Dir     string `yaml:"dir"`
	MaxSize Size   `yaml:"max_size"`
	MinFree Size   `yaml:"min_free"`
}

// Upload bounds what shipping may cost the host.
type Upload struct {
	Concurrency int  `yaml:"concurrency"`
	MaxRate     Size `yaml:"max_rate"` // bytes per second; 0 is no limit
}

// Copy is the optional second copy of the mapped events as gzipped NDJSON.
type Copy struct {
	OCSFJSON string `yaml:"ocsf_json"` // s3://bucket[/prefix] or file:///directory; empty is off
	Region   string `yaml:"region"`    // empty: lake.region
	RoleARN  string `yaml:"role_arn"`  // empty: the daemon's own credentials
	MaxSize  Size   `yaml:"max_size"`  // of what waits; beyond it copies are skipped and counted
}

// Log says what is logged, how and where to.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
	File   string `yaml:"file"` // empty: stderr
}

// Metrics is the address of /metrics, /healthz and /readyz; empty is off.
type Metrics struct {
	Listen string `yaml:"listen"`
}

// Default returns the configuration before anything was read. It names no destination, region and account: Validate
// asks for these.
func Default() Config {
	source := defaultSource()
	source.Name = "wazuh"
	return Config{
		Input: Input{
			Mode:         ModeTail,
			Path:         "/var/ossec/logs/alerts/alerts.json",
			DatedDir:     "/var/ossec/logs/alerts",
			StartAt:      "today",
			Inbox:        "/var/spool/wazuh-security-lake",
			InboxMaxSize: 1 * GiB,
		},
		Sources: []Source{source},
		OCSF:    OCSF{Severity: IntList{4, 8, 11, 15}, RawData: RawFullLog},
		Batch:   Batch{Interval: 5 * Minute, MaxObjectSize: 256 * MiB, MaxWait: Hour},
		Copy:    Copy{MaxSize: 1 * GiB},
		Spool:   Spool{Dir: "/var/lib/wazuh-security-lake", MaxSize: 4 * GiB, MinFree: 1 * GiB},
		Upload:  Upload{Concurrency: 4},
		Log:     Log{Level: "info", Format: "auto"},
	}
}

// defaultSource is what an element of sources starts from. It has no name on purpose: a source in the file must be
// named there, because the name is part of every object key.
func defaultSource() Source {
	return Source{Class: SecurityFinding, OCSFVersion: "1.1.0"}
}

// ResolvedSources returns the sources with region, account, role and external ID filled from lake.* where they are
// empty. The slice is the caller's.
func (c Config) ResolvedSources() []Source {
	resolved := make([]Source, len(c.Sources))
	for i, s := range c.Sources {
		s.Region = or(s.Region, c.Lake.Region)
		s.AccountID = or(s.AccountID, c.Lake.AccountID)
		s.RoleARN = or(s.RoleARN, c.Lake.RoleARN)
		s.ExternalID = or(s.ExternalID, c.Lake.ExternalID)
		resolved[i] = s
	}
	return resolved
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

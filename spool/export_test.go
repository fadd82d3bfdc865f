package spool

// The lock-free readers on a file system of the test's choice.
var (
	ReadLedgerFS  = readLedger
	ReadGapsFS    = readGaps
	ReadRejectsFS = readRejects
	VerifyFS      = verify
	ExportFS      = export
)

// DecodeManifest checks and decodes the bytes of a manifest.json.
func DecodeManifest(data []byte) (Manifest, error) {
	var m Manifest
	err := unseal(data, "manifest", &m)
	return m, err
}

// EncodeManifest is how a manifest is written.
func EncodeManifest(m Manifest) ([]byte, error) { return seal(&m) }

// EncodeEntry is how a ledger line is written.
func EncodeEntry(e Entry) ([]byte, error) { return seal(&e) }

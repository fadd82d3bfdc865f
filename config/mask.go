package config

import "strings"

// masked stands for a secret. It is no legal external ID, so a printed configuration that is used as a file is refused
// instead of failing at AWS.
const masked = "***"

// maskValue returns text as it may be shown for the value at path.
func maskValue(path, text string) string {
	if text == "" {
		return ""
	}
	if isSecret(path) {
		return masked
	}
	return maskUserinfo(text)
}

func isSecret(path string) bool {
	return strings.HasSuffix(path, "external_id")
}

// maskUserinfo hides user and password of a URL. It does not parse: what is no URL may hold a password as well, so
// everything between the scheme and the last @ goes, and a query, for a presigned URL is a password as well. An
// external ID given to the wrong key is not recognised.
func maskUserinfo(text string) string {
	scheme := ""
	rest := text
	if i := strings.Index(text, "://"); i >= 0 && !strings.ContainsAny(text[:i], ":@") {
		scheme, rest = text[:i+3], text[i+3:]
	}
	at := strings.LastIndexByte(rest, '@')
	// An @ alone is no secret: role names may hold one.
	if at >= 0 && (scheme != "" || strings.Contains(rest[:at], ":")) && !strings.HasPrefix(text, "arn:") {
		rest = masked + rest[at:]
	}
	if i := strings.IndexByte(rest, '?'); i >= 0 && scheme != "" {
		rest = rest[:i+1] + masked
	}
	return scheme + rest
}

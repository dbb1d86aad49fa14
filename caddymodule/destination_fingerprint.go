package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
)

// fingerprint tells the settings of a destination, as they are when their placeholders are replaced, from others: a secret in a
// file or in the environment may change where the configuration does not. It is a hash, from which no secret can be read.
func fingerprint(raw json.RawMessage) string {
	var settings any
	if json.Unmarshal(raw, &settings) == nil {
		expanded := struct{ As, Is any }{settings, expandTexts(caddy.NewReplacer(), settings)}
		if text, err := json.Marshal(expanded); err == nil {
			raw = text
		}
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// expandTexts is a value of JSON with the placeholders {env.*} and {file.*} in its texts replaced.
func expandTexts(repl *caddy.Replacer, value any) any {
	switch v := value.(type) {
	case string:
		if hasPlaceholder(v) {
			return repl.ReplaceKnown(v, "")
		}
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = expandTexts(repl, v[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name := range v {
			object[name] = expandTexts(repl, v[name])
		}
		return object
	}
	return value
}

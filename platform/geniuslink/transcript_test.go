package geniuslink

import (
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
)

// Each transcript has books of its own.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) < 12 {
		t.Fatalf("there are %d transcripts: %v", len(files), err)
	}
	for _, file := range files {
		s := newShop(t, false)
		vars := map[string]string{}
		vars["key"], vars["secret"] = pair(s.key)
		vars["reader"], vars["reader_secret"] = pair(s.books.NewKey("acme", "links:read"))
		platformtest.Run(t, s.server, vars, file)
		if s.log.Len() > 0 {
			t.Errorf("%s: the log has %s", file, s.log.String())
		}
	}
}

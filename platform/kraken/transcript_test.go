package kraken

import (
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// TestTranscripts plays each file against a shop of its own. Link 12 is familymart, 13 plain (which has no subdomain), 14 is
// disabled, 15 has expired.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for _, file := range files {
		s := newShop(t)
		id, _, _ := tracker.ParseKey(s.key)
		platformtest.Run(t, s, map[string]string{
			"key": s.key, "key_id": id, "links_key": s.books.NewKey("acme", "links:read"),
		}, file)
	}
}

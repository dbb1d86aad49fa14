package invoca

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
)

// TestTranscripts plays each file against books of its own, with the settings that the samples of the platform's document take for
// granted: its number for the network, and its address of an affiliate.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d transcripts (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			n := newNetwork(t, func(o *Options) {
				o.NetworkIDs = map[string]string{"33": "acme", "34": "other"}
				o.ObjectURL = "https://invoca.net/ps/{id}/dashboards/ui"
			})
			if strings.Contains(file, "campaigns_exist") {
				n.do("POST", "affiliates.json", `{"id_from_network": "busy", "name": "Busy"}`).want(201)
				n.link(1)
			}
			platformtest.Run(t, n.handler, map[string]string{
				"token": n.key, "reader": n.books.NewKey("acme", "affiliates:read"),
			}, file)
		})
	}
}

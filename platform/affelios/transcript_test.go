package affelios

import (
	"strconv"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestTranscripts(t *testing.T) {
	s := newShop(t)
	platformtest.Run(t, s.server, s.variables(), "testdata/default/*.http")
}

// TestTranscriptsWithSettings plays those of a network that takes no organic customers, by a server with all settings.
func TestTranscriptsWithSettings(t *testing.T) {
	s := newShop(t, func(o *Options) { o.Duplicates, o.NullDates = DuplicateReturn, true })
	s.books.UseTerms(tracker.Terms{Organic: tracker.OrganicReject})
	platformtest.Run(t, s.server, s.variables(), "testdata/reject/*.http")
}

// variables are what transcripts name.
func (s *shop) variables() map[string]string {
	click := s.clickAt("acme", "ann", noon.Add(-26*time.Hour))
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return map[string]string{
		"key": s.key, "reader": s.books.NewKey("acme", "customers:read", "transactions:read"),
		"click": click.ID.String(), "token": s.token(click), "lonely": s.click("acme", "ann").ID.String(),
		"affiliate": number(s.ann.AffiliateID), "campaign": number(s.ann.CampaignID), "link": number(s.ann.ID),
	}
}

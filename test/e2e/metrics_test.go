package e2e

import (
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// What an operator watches is there after one click, and says nothing of who clicked.
func TestMetrics(t *testing.T) {
	p := caddy.Start(t, site)
	landing := newBrowser(t).open(p.URL + "/?via=demo&email=planted%40example.com")
	check.Settle(t, p)
	_, text := p.AdminGet("/metrics")
	for _, name := range []string{
		"clicks_total", "tokens_total", "withheld_total", "unknown_codes_total", "token_rejects_total", "added_wait_seconds",
		"links", "audit_journalled_records", "audit_unbalanced_origins", "journal_records_total", "journal_segment_bytes",
		"journal_fsync_duration_seconds", "apply_lag_seconds", "applied_sessions_total", "quarantined_records_total", "lost_records_total",
		"ship_forks_total", "ship_moved_records_total",
	} {
		if !strings.Contains(text, "\n# TYPE caddy_affiliate_"+name+" ") {
			t.Errorf("/metrics lacks caddy_affiliate_%s", name)
		}
	}
	m := p.Metrics()
	for series, want := range map[string]float64{
		`caddy_affiliate_clicks_total{class="human"}`: 1,
		"caddy_affiliate_tokens_total":                1,
		"caddy_affiliate_links":                       1,
		"caddy_affiliate_journal_records_total":       1,
		"caddy_affiliate_applied_sessions_total":      1,
		"caddy_affiliate_audit_unbalanced_origins":    0,
	} {
		if m[series] != want {
			t.Errorf("%s is %g, want %g", series, m[series], want)
		}
	}
	for what, secret := range map[string]string{
		"query": "planted", "user agent": "AppleWebKit", "token": theCookie(t, landing).Value, "session": landing.session(),
	} {
		for _, place := range []struct{ name, text string }{{"/metrics", text}, {"the log", p.Logs()}} {
			if strings.Contains(place.text, secret) {
				t.Errorf("%s tells the visitor's %s", place.name, what)
			}
		}
	}
}

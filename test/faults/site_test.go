// Package faults breaks what the product stands on, under load, and lets check judge what became of the clicks.
package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// page is what every visitor sees: with it an operator's page shows the session that was recorded.
const page = `http://:{$HTTP_PORT} {
	affiliate
	header ` + load.SessionHeader + ` {affiliate.session_id}
	respond "hello"
}
`

// embedded keeps the books in a folder beside the journal's, so that a test may treat them differently.
const embedded = `ledger sqlite ./books/ledger.db`

// closed is a ledger that cannot be opened, so that what is clicked stays in the journal.
const closed = `ledger sqlite /dev/null/ledger.db`

// with is the Caddyfile of the page with these lines in the global option, and one link. Without a line for the journal
// it is kept in ./affiliate.
func with(lines ...string) string {
	text := strings.Join(lines, "\n")
	if !strings.Contains(text, "journal ") {
		text = "journal ./affiliate\n" + text
	}
	return "{\n\taffiliate {\n\t\tlink demo\n" + text + "\n\t}\n}\n\n" + page
}

// clicks is a load of 1,000 clicks a second, each by a visitor of its own.
func clicks(p *caddy.Process) load.Load { return load.Load{URL: p.URL + "/?via=demo", Rate: 1000} }

// visits is a lighter load on a page that nobody was referred to.
func visits(p *caddy.Process) load.Load {
	return load.Load{URL: p.URL + "/about", Rate: 100, Connections: 8}
}

// unnoticed fails the test if a visitor saw anything but a page.
func unnoticed(t *testing.T, what string, r *load.Result) {
	t.Helper()
	t.Logf("%s: %s", what, r)
	if n := len(r.Latencies); r.Failed() > 0 || r.Statuses[200] != n || n == 0 {
		t.Errorf("%s: of %d requests %d were answered 200", what, n, r.Statuses[200])
	}
}

// counts is what a process counted in its present life.
type counts struct {
	human, tokens, withheld     float64
	late, disk, queue, starting float64
	slow                        float64 // clicks that were held for more than 25 ms
}

func countsOf(p *caddy.Process) counts {
	m := p.Metrics()
	w := func(reason string) float64 { return m[`caddy_affiliate_withheld_total{reason="`+reason+`"}`] }
	c := counts{
		human: m[`caddy_affiliate_clicks_total{class="human"}`], tokens: m["caddy_affiliate_tokens_total"],
		late: w("late"), disk: w("disk"), queue: w("queue"), starting: w("starting"),
		slow: m["caddy_affiliate_added_wait_seconds_count"] - m[`caddy_affiliate_added_wait_seconds_bucket{le="0.025"}`],
	}
	c.withheld = c.late + c.disk + c.queue + c.starting
	return c
}

// since is what was counted after earlier.
func (c counts) since(earlier counts) counts {
	return counts{
		c.human - earlier.human, c.tokens - earlier.tokens, c.withheld - earlier.withheld,
		c.late - earlier.late, c.disk - earlier.disk, c.queue - earlier.queue, c.starting - earlier.starting,
		c.slow - earlier.slow,
	}
}

func (c counts) String() string {
	return fmt.Sprintf("%.0f human clicks = %.0f tokens + %.0f withheld (late %.0f, disk %.0f, queue %.0f, starting %.0f); %.0f held over 25 ms",
		c.human, c.tokens, c.withheld, c.late, c.disk, c.queue, c.starting, c.slow)
}

// exact fails the test unless each click that was sent is counted once, and each token that was received too. It is for a
// process that lived throughout.
func exact(t *testing.T, got counts, r *load.Result) {
	t.Helper()
	t.Logf("%s", got)
	if int(got.human) != len(r.Latencies) || int(got.tokens) != len(r.Tokens) || got.human != got.tokens+got.withheld {
		t.Errorf("%d clicks were sent and %d tokens received, but counted are %s", len(r.Latencies), len(r.Tokens), got)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited a minute for %s", what)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

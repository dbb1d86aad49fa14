package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// A link that exists only in the ledger works after a restart with the ledger gone, and what was clicked meanwhile is
// booked when the ledger is back.
func TestRestartKeepsLinks(t *testing.T) {
	p := caddy.Start(t, site)
	p.AwaitHealth()
	run(t, p, "affiliate", "link", "add", "spring")
	visitor := newBrowser(t)
	first := visitor.open(p.URL + "/?via=spring").session()
	check.Settle(t, p)
	p.Term()

	books, away := filepath.Join(p.Dir, "books"), filepath.Join(p.Dir, "away")
	must(t, os.Rename(books, away))
	must(t, os.WriteFile(books, nil, 0o600)) // no folder, so no ledger can be made here
	p.Restart()
	if kept := visitor.open(p.URL + "/").session(); kept != first {
		t.Errorf("after the restart the visitor's session is %q, was %q", kept, first)
	}
	landing := newBrowser(t).open(p.URL + "/?via=spring")
	theCookie(t, landing)
	if _, _, status := p.CLI("affiliate", "session", "list"); status == 0 {
		t.Error("sessions are listed without a ledger")
	}

	must(t, os.Remove(books))
	must(t, os.Rename(away, books))
	check.Acked(t, []load.Token{{Session: first, Cookie: "1"}, {Session: landing.session(), Cookie: "2"}}, p)
}

// SIGTERM under load: every response that was begun is completed, and every token's session is there after the restart.
func TestTermDrains(t *testing.T) {
	p := caddy.Start(t, site)
	r := clicks(p).Start()
	await(t, "500 tokens", func() bool { return r.Tokens() >= 500 })
	p.Term()
	result := r.Stop()
	t.Log(result)
	if result.Cut > 0 || len(result.Statuses) != 1 {
		t.Errorf("%d responses broke off; the statuses are %v", result.Cut, result.Statuses)
	}
	p.Restart()
	check.Acked(t, result.Tokens, p)
}

// In a run without faults the three counts are one: human clicks, tokens with those withheld, and what clients received.
func TestCounts(t *testing.T) {
	p := caddy.Start(t, site)
	result := clicks(p).For(2 * time.Second)
	t.Log(result)
	if result.Failed() > 0 {
		t.Errorf("%d requests failed", result.Failed())
	}
	check.Acked(t, result.Tokens, p)
	m := p.Metrics()
	if human := m[`caddy_affiliate_clicks_total{class="human"}`]; int(human) != len(result.Latencies) {
		t.Errorf("%d clicks were sent and %.0f counted", len(result.Latencies), human)
	}
	if tokens := m["caddy_affiliate_tokens_total"]; int(tokens) != len(result.Tokens) {
		t.Errorf("%d tokens were received and %.0f counted", len(result.Tokens), tokens)
	}
	if n := len(check.Sessions(t, p)); n < len(result.Tokens) || n > len(result.Latencies) {
		t.Errorf("the ledger has %d sessions of %d clicks and %d tokens", n, len(result.Latencies), len(result.Tokens))
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	awaitFor(t, time.Minute, what, ok)
}

// promptly requires that one of three tries takes no longer than the documentation promises: a machine that stands still for a moment
// makes one of them late, and what is slow by itself is slow each time. A try starts something and returns how long it took.
func promptly(t *testing.T, most time.Duration, what string, try func(n int) time.Duration) {
	t.Helper()
	var took time.Duration
	for n := range 3 {
		if took = try(n); took <= most {
			return
		}
	}
	t.Errorf("%s took %s, may take %s", what, took, most)
}

// retryTime is longer than a delivery's first three attempts take. The second comes five seconds after the first: on a slow machine it
// may fail too before an endpoint that was away is back, and the third comes some five minutes later.
const retryTime = 8 * time.Minute

// awaitDelivery is await for what comes with a delivery that may have failed before.
func awaitDelivery(t *testing.T, what string, ok func() bool) {
	t.Helper()
	awaitFor(t, retryTime, what, ok)
}

func awaitFor(t *testing.T, most time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited %s for %s", most, what)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

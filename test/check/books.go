package check

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// settleTime is how long a healthy Caddy may take to apply all it has journalled after a fault.
const settleTime = time.Minute

// Times chooses how often a fault happens: short in `make test`, long in `make chaos`, which sets CHAOS.
func Times(short, long int) int {
	if os.Getenv("CHAOS") != "" {
		return long
	}
	return short
}

// Acked is the judge of every fault: it waits until the ledger has all that was journalled, and then fails the test
// unless each token's session is there exactly once, no session is there twice, the audit balances, and the counts of
// the process's present life are exact. p is asked for the sessions and the audit; more are other nodes, whose counts are
// checked too.
func Acked(t testing.TB, tokens []load.Token, p *caddy.Process, more ...*caddy.Process) {
	t.Helper()
	var complaints []string
	for deadline := time.Now().Add(settleTime); ; time.Sleep(100 * time.Millisecond) {
		Settle(t, p)
		rows := map[string]int{}
		for _, s := range Sessions(t, p) {
			rows[s.ID]++
		}
		// Another node's last records may be on its disk only, and so in no audit of p yet.
		if complaints = judge(tokens, rows); len(complaints) == 0 || time.Now().After(deadline) {
			break
		}
	}
	report(t, complaints)
	for _, p := range append([]*caddy.Process{p}, more...) {
		Withheld(t, p)
		if n := p.Metrics()["caddy_affiliate_repeated_sessions_total"]; n > 0 {
			t.Errorf("%s applied %.0f sessions that were in the ledger: only the session's key kept them single", p.URL, n)
		}
	}
}

// judge returns a line for each way in which the rows, counted by session id, do not bear the tokens out.
func judge(tokens []load.Token, rows map[string]int) (complaints []string) {
	bySession := map[string]string{}
	for _, token := range tokens {
		switch other, seen := bySession[token.Session]; {
		case token.Session == "":
			complaints = append(complaints, "a token came without its session's id")
			continue
		case seen && other != token.Cookie:
			complaints = append(complaints, fmt.Sprintf("session %s was handed out twice", token.Session))
		}
		bySession[token.Session] = token.Cookie
		if rows[token.Session] == 0 {
			complaints = append(complaints, fmt.Sprintf("session %s was acknowledged and is lost", token.Session))
		}
	}
	for id, n := range rows {
		if n > 1 {
			complaints = append(complaints, fmt.Sprintf("session %s is in the ledger %d times", id, n))
		}
	}
	return complaints
}

// Settle waits until the audit balances with nothing left to apply, and fails the test when that takes over a minute.
func Settle(t testing.TB, p *caddy.Process) Audit {
	t.Helper()
	var audit Audit
	var err error
	for deadline := time.Now().Add(settleTime); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if audit, err = tryAudit(p); err == nil && settled(audit) {
			return audit
		}
	}
	t.Fatalf("the books do not balance after %s: %+v, %v", settleTime, audit, err)
	return audit
}

func settled(a Audit) bool {
	for _, o := range a.Origins {
		if o.Journalled > 0 || !o.Balanced {
			return false
		}
	}
	return a.Balanced
}

// Withheld fails the test unless human clicks = tokens + withheld, exactly, in the process's present life.
func Withheld(t testing.TB, p *caddy.Process) {
	t.Helper()
	m := p.Metrics()
	human := m[`caddy_affiliate_clicks_total{class="human"}`]
	tokens, withheld := m["caddy_affiliate_tokens_total"], Sum(m, "caddy_affiliate_withheld_total")
	if human != tokens+withheld {
		t.Errorf("%s counts %.0f human clicks, but %.0f tokens and %.0f withheld", p.URL, human, tokens, withheld)
	}
}

// Sum adds up the series of one name over all its labels.
func Sum(metrics map[string]float64, name string) (sum float64) {
	for series, value := range metrics {
		if series == name || strings.HasPrefix(series, name+"{") {
			sum += value
		}
	}
	return sum
}

func tryAudit(p *caddy.Process) (Audit, error) {
	out, errs, status := p.CLI("affiliate", "audit", "--json")
	var audit Audit
	if err := json.Unmarshal([]byte(out), &audit); err != nil {
		return audit, fmt.Errorf("caddy affiliate audit exits with %d: %s%w", status, errs, err)
	}
	if (status == 0) != audit.Balanced {
		return audit, fmt.Errorf("caddy affiliate audit exits with %d and says balanced is %t", status, audit.Balanced)
	}
	return audit, nil
}

// report fails the test with the first few complaints.
func report(t testing.TB, complaints []string) {
	t.Helper()
	const shown = 10
	for i, c := range complaints {
		if i == shown {
			t.Errorf("… and %d more", len(complaints)-shown)
			return
		}
		t.Error(c)
	}
}

// Package check judges what a test did to Caddy: every token that a client received has its session, once, and the
// books balance.
package check

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// Session is one row of `caddy affiliate session list --json`.
type Session struct {
	ID        string            `json:"id"`
	Network   string            `json:"network"`
	LinkID    int64             `json:"link_id"`
	Code      string            `json:"code"`
	Affiliate string            `json:"affiliate"`
	VisitorID string            `json:"visitor_id"`
	Time      time.Time         `json:"time"`
	IP        string            `json:"ip"`
	UserAgent string            `json:"user_agent"`
	Browser   string            `json:"browser"`
	OS        string            `json:"os"`
	Device    string            `json:"device"`
	Query     string            `json:"query"`
	SubIDs    map[string]string `json:"sub_ids"`
	ClickIDs  map[string]string `json:"click_ids"`
	Host      string            `json:"host"`
	Route     string            `json:"route"`
	Referrer  string            `json:"referrer"`
	Param     string            `json:"param"`
	Class     string            `json:"class"`
}

// Audit is what `caddy affiliate audit --json` prints.
type Audit struct {
	Balanced bool     `json:"balanced"`
	Origins  []Origin `json:"origins"`
}

// Origin is one origin's line of the audit.
type Origin struct {
	Origin      string `json:"origin"`
	Where       string `json:"where"`
	Issued      uint64 `json:"issued"`
	Applied     uint64 `json:"applied"`
	Quarantined uint64 `json:"quarantined"`
	Lost        uint64 `json:"lost"`
	Journalled  uint64 `json:"journalled"`
	Balanced    bool   `json:"balanced"`
}

// Sessions returns every session in the ledger, newest first.
func Sessions(t testing.TB, p *caddy.Process) []Session {
	t.Helper()
	out, errs, status := p.CLI("affiliate", "session", "list", "--limit", "0", "--json")
	if status != 0 {
		t.Fatalf("caddy affiliate session list exits with %d: %s", status, errs)
	}
	var sessions []Session
	decode(t, out, &sessions)
	return sessions
}

// AuditOf returns the audit. A command that answers "does not balance" is an answer; one that fails ends the test.
func AuditOf(t testing.TB, p *caddy.Process) Audit {
	t.Helper()
	audit, err := tryAudit(p)
	if err != nil {
		t.Fatal(err)
	}
	return audit
}

func decode(t testing.TB, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %.500s", err, text)
	}
}

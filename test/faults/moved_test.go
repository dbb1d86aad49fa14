package faults

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// The journal's folder is moved away under load and back, while the process runs: no token without a place that a restart
// would find, and not one acknowledged record is taken for damaged.
func TestJournalMoved(t *testing.T) {
	p := caddy.Start(t, with(embedded))
	journal := filepath.Join(p.Dir, "affiliate")
	broken(t, p, func() { must(t, os.Rename(journal, journal+".gone")) }, func() {
		if _, err := os.Stat(journal); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a folder was made in the journal's place: %v", err)
		}
		if n := p.Metrics()["caddy_affiliate_journal_write_failures_total"]; n == 0 {
			t.Error("no write is said to have failed")
		}
		must(t, os.Rename(journal+".gone", journal))
	})
	if lost := p.Metrics()["caddy_affiliate_journal_unreadable_records_total"]; lost > 0 {
		t.Errorf("%.0f records are said to be unreadable", lost)
	}
}

// The same with records that no ledger has yet, and a restart once the folder is back.
func TestJournalMovedUntilARestart(t *testing.T) {
	p := caddy.Start(t, with(closed))
	before := clicks(p).For(500 * time.Millisecond)
	journal := filepath.Join(p.Dir, "affiliate")
	must(t, os.Rename(journal, journal+".gone"))
	must(t, p.Reload(with(embedded))) // which begins to read what cannot be read
	visit := visits(p).Start()
	during := clicks(p).For(2 * time.Second)
	unnoticed(t, "clicks while the folder is away", during)
	unnoticed(t, "pages", visit.Stop())
	if len(during.Tokens) > 0 {
		t.Errorf("%d tokens were handed out for records that no restart would find", len(during.Tokens))
	}
	await(t, "the health to say so", func() bool {
		_, health := p.AdminGet("/affiliate/health")
		return strings.Contains(health, `"journal":{"status":"degraded"`)
	})
	p.Term()
	must(t, os.Rename(journal+".gone", journal))
	p.Restart()
	check.Acked(t, before.Tokens, p)
}

// The embedded ledger's files are removed while the process has them open. What was booked until then is gone with them, but
// nothing that came later is booked where no restart would find it: no sale is answered as taken, the journal keeps every
// click, and the books that the restart begins have them all.
func TestSQLiteRemoved(t *testing.T) {
	config := strings.Replace(with(embedded), page, "http://:{$HTTP_PORT} {\n\taffiliate_api\n"+strings.SplitN(page, "{\n", 2)[1], 1)
	p := caddy.Start(t, config)
	p.AwaitHealth()
	s := open(t, p, 1)
	s.more(t, 3)
	s.stop()
	before := clicks(p).For(500 * time.Millisecond)
	check.Settle(t, p)

	files, err := filepath.Glob(filepath.Join(p.Dir, "books", "ledger.db*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("the ledger's files are %v, %v", files, err)
	}
	for _, file := range files {
		must(t, os.Remove(file))
	}
	const applied = "caddy_affiliate_applied_sessions_total"
	booked := p.Metrics()[applied]
	during := clicks(p).For(500 * time.Millisecond)
	unnoticed(t, "clicks without books", during)
	status, answer, err := s.ask("POST", "conversions", `{"external_id": "late", "type": "sale", "amount": 1000, "currency": "EUR", "coupon": "spring"}`)
	if err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("a sale is answered %d %s, %v", status, answer, err)
	}
	_, health := p.AdminGet("/affiliate/health")
	if !strings.Contains(health, `"ledger":{"status":"degraded"`) || !strings.Contains(health, "restart") {
		t.Errorf("the health says: %s", health)
	}
	if n := p.Metrics()[applied]; n > booked {
		t.Errorf("%.0f sessions were applied, %.0f of them before the ledger was gone", n, booked)
	}

	p.Term()
	p.Restart()
	check.Acked(t, append(before.Tokens, during.Tokens...), p)
}

package engine

import (
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Requests to the API that began before a change of the configuration must end well.
func TestTheLedgerStaysOpenUnlessItIsAnother(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	e := open(t, c)
	before := opened(t, e, nil)
	c.Terms = tracker.Terms{Rule: tracker.FirstClick, Organic: tracker.OrganicReject}
	c.Links = []ledger.NewLink{{Network: "default", Code: "demo"}}
	if err := e.Apply(c); err != nil {
		t.Fatal(err)
	}
	if after, err := e.Ledger(); err != nil || after != before {
		t.Errorf("other terms and links opened another ledger: %v", err)
	}
	if _, err := before.CreateAffiliate(t.Context(), "default", tracker.AffiliateFields{Name: "Sara"}); err != nil {
		t.Errorf("the ledger from before the change is of no use: %v", err)
	}
	_, _, err := before.CreateCustomer(t.Context(), tracker.NewCustomer{Network: "default", ExternalID: "C-1"})
	if err == nil {
		t.Error("an organic customer was taken: the new terms do not hold")
	}
	appendOne(t, e, "demo")
	eventually(t, "applying to it", func() bool { return countSessions(t, e) == 1 })

	c.Ledger.Path = filepath.Join(t.TempDir(), "other.db")
	if err := e.Apply(c); err != nil {
		t.Fatal(err)
	}
	opened(t, e, before)
	if err := before.Ping(t.Context()); err == nil {
		t.Error("the ledger that is used no more is still open")
	}
}

// opened waits for a ledger other than before, and returns it.
func opened(t *testing.T, e *Engine, before *ledger.Ledger) (l *ledger.Ledger) {
	t.Helper()
	eventually(t, "opening the ledger", func() bool {
		now, err := e.Ledger()
		l = now
		return err == nil && l != before
	})
	return l
}

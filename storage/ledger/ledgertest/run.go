// Package ledgertest is the conformance suite of the ledger: what every engine must do, and its speed.
package ledgertest

import (
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Database is one database of the engine under test.
type Database struct {
	// Open opens one more ledger on the database, as another hub would.
	Open func(t testing.TB) *ledger.Ledger
	// Copy returns another database that is as this one is now. No ledger is open on it when it is called.
	Copy func(t testing.TB) Database
}

// Run tests the engine. Each call of fresh returns an empty database of its own. The race detector makes SQLite ten times as slow,
// so with it only the group atOnce runs.
func Run(t *testing.T, fresh func(t *testing.T) Database) {
	for _, group := range groups {
		if raceDetector && group.name != atOnce {
			continue
		}
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
			}
		})
	}
}

const atOnce = "at once"

var groups = []struct {
	name  string
	tests []test
}{
	{atOnce, atOnceTests},
	{"apply", applyTests},
	{"poison", poisonTests},
	{"hubs", hubTests},
	{"mark", markTests},
	{"link", linkTests},
	{"config", configTests},
	{"session", sessionTests},
	{"add session", addSessionTests},
	{"affiliate", affiliateTests},
	{"campaign", campaignTests},
	{"catalog link", catalogLinkTests},
	{"link change", linkChangeTests},
	{"key", keyTests},
	{"import", importTests},
	{"in use", inUseTests},
	{"conversion", conversionTests},
	{"evidence", evidenceTests},
	{"conversion status", statusTests},
	{"refund", refundTests},
	{"conversion list", conversionListTests},
	{"conversion model", modelTests},
	{"customer", customerTests},
	{"program tokens", programTokensTests},
	{"transaction", transactionTests},
	{"transaction list", transactionListTests},
	{"report", reportTests},
	{"erase", eraseTests},
	{"retention", retentionTests},
	{"delivery", deliveryTests},
	{"delivery claim", deliveryClaimTests},
	{"delivery retry", deliveryRetryTests},
	{"delivery hold", deliveryHoldTests},
	{"catalog event", catalogEventTests},
	{"external ref", externalRefTests},
	{"alias", aliasTests},
}

type test struct {
	name string
	run  func(t *testing.T, db Database)
}

func newOrigin() string { return tracker.NewSessionID(time.Now()).String() }

// open opens a ledger that is closed when the test ends.
func open(t *testing.T, db Database) *ledger.Ledger {
	t.Helper()
	l := db.Open(t)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func apply(t *testing.T, l *ledger.Ledger, origin string, records []ledger.Record) ledger.Applied {
	t.Helper()
	done, err := l.Apply(t.Context(), origin, records)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// wantApplied applies and compares the answer.
func wantApplied(t *testing.T, l *ledger.Ledger, origin string, records []ledger.Record, want ledger.Applied) {
	t.Helper()
	if got := apply(t, l, origin, records); got != want {
		t.Fatalf("applied %+v, want %+v", got, want)
	}
}

// wantBooks compares the origin's counters and checks that they add up to its cursor.
func wantBooks(t *testing.T, l *ledger.Ledger, origin string, want ledger.Origin) {
	t.Helper()
	got, err := l.Origin(t.Context(), origin)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != origin || got.Cursor != want.Cursor || got.Applied != want.Applied || got.Repeated != want.Repeated ||
		got.Quarantined != want.Quarantined || got.Lost != want.Lost {
		t.Fatalf("origin %+v, want %+v", got, want)
	}
	if got.Applied+got.Quarantined+got.Lost != got.Cursor {
		t.Fatalf("the books do not balance: %+v", got)
	}
}

// sessions reads the sessions of all networks, newest first.
func sessions(t *testing.T, l *ledger.Ledger) []ledger.Session {
	t.Helper()
	var all []ledger.Session
	err := l.Sessions(t.Context(), "", 0, func(s ledger.Session) error {
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantOnce checks that the ledger's sessions are those of the records, each once.
func wantOnce(t *testing.T, l *ledger.Ledger, records []ledger.Record) {
	t.Helper()
	rows := map[tracker.SessionID]int{}
	for _, s := range sessions(t, l) {
		rows[s.ID]++
	}
	for _, r := range records {
		if n := rows[r.Session.ID]; n != 1 {
			t.Fatalf("the session of number %d is there %d times", r.Seq, n)
		}
	}
	if len(rows) != len(records) {
		t.Fatalf("%d sessions are there, want %d", len(rows), len(records))
	}
}

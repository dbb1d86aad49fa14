package ledgertest

import (
	"bytes"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var retentionTests = []test{
	{"each field goes in its time", testForget},
	{"in steps, from where the last call ended", testForgetSteps},
	{"what comes late lands blank", testForgetLate},
	{"records in quarantine go with the first", testForgetQuarantine},
}

const day = 24 * time.Hour

// ages are sessions recorded so many days before the epoch, which is the ledger's now.
func ages(first uint64, days ...int) []ledger.Record {
	records := make([]ledger.Record, len(days))
	for i, n := range days {
		records[i] = Record(first+uint64(i), "demo")
		records[i].Session.Time = epoch.AddDate(0, 0, -n)
	}
	return records
}

func (s *shop) forget(r tracker.Retention, want int64) {
	s.Helper()
	if rows, err := s.Forget(s.Context(), r); err != nil || rows != want {
		s.Errorf("%d rows were changed, want %d (%v)", rows, want, err)
	}
}

// wantKept checks what of each session is left.
func (s *shop) wantKept(records []ledger.Record, ip, userAgent, query func(days int) bool) {
	s.Helper()
	for _, r := range records {
		n := int(epoch.Sub(r.Session.Time) / day)
		got := must(s.FindSession(s.Context(), s.network, r.Session.ID))(s)
		if (got.IP != "") != ip(n) || (got.UserAgent != "") != userAgent(n) || (got.Query != "") != query(n) ||
			(got.Referrer != "") != query(n) || (got.ClickIDs != nil) != query(n) {
			s.Errorf("of a session %d days old there is %+v", n, got)
		}
		if got.Browser == "" || got.SubIDs == nil || got.Visitor.IsZero() || got.Route == "" {
			s.Errorf("of a session %d days old more is gone: %+v", n, got)
		}
	}
}

func testForget(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	all := ages(1, 400, 100, 91, 90, 89, 31, 30, 29, 1, 0)
	apply(t, s.Ledger, origin, all)
	always := func(int) bool { return true }
	s.forget(tracker.Retention{}, 0)
	s.wantKept(all, always, always, always)
	s.forget(tracker.Retention{IP: 30 * day}, 6)
	s.wantKept(all, func(days int) bool { return days <= 30 }, always, always)
	s.forget(tracker.Retention{IP: 30 * day, UserAgent: 90 * day, Query: 365 * day}, 3+1)
	s.wantKept(all, func(days int) bool { return days <= 30 }, func(days int) bool { return days <= 90 }, func(days int) bool { return days <= 365 })
	s.forget(tracker.Retention{IP: 30 * day, UserAgent: 90 * day, Query: 365 * day}, 0)
	s.pass(day)
	s.forget(tracker.Retention{IP: 30 * day, UserAgent: 365 * day}, 1)
	s.wantKept(all, func(days int) bool { return days <= 29 }, func(days int) bool { return days <= 90 }, func(days int) bool { return days <= 365 })
}

// testForgetSteps has many sessions of one millisecond, and more that come in between.
func testForgetSteps(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	days := make([]int, 2600)
	for i := range days {
		days[i] = 40 + i/2000
	}
	all := ages(1, days...)
	all[7].Session.IP = ""
	apply(t, s.Ledger, origin, all)
	s.forget(tracker.Retention{IP: 41 * day}, 0)
	s.forget(tracker.Retention{IP: 40*day + 12*time.Hour}, 600)
	young := ages(uint64(len(all)+1), 39, 40)
	apply(t, s.Ledger, origin, young)
	s.forget(tracker.Retention{IP: 40*day - time.Hour}, 1999+1)
	s.wantKept(append(all[:1:1], young...), func(days int) bool { return days < 40 },
		func(int) bool { return true }, func(int) bool { return true })
}

func testForgetLate(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	s.forget(tracker.Retention{IP: 30 * day, Query: 90 * day}, 0)
	all := ages(1, 100, 60, 10)
	apply(t, s.Ledger, origin, all)
	s.wantKept(all, func(days int) bool { return days <= 30 }, func(int) bool { return true }, func(days int) bool { return days <= 90 })
	s.forget(tracker.Retention{IP: 30 * day, Query: 90 * day}, 0)
}

func testForgetQuarantine(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	damaged := ledger.Record{Seq: 1, Raw: []byte("203.0.113.7"), Reason: "damaged"}
	apply(t, s.Ledger, origin, []ledger.Record{damaged})
	s.pass(10 * day)
	s.forget(tracker.Retention{IP: 11 * day, Query: 20 * day}, 0)
	if kept := quarantine(t, s.Ledger, origin); !bytes.Equal(kept[0].Raw, damaged.Raw) {
		t.Errorf("before its time it is %+v", kept[0])
	}
	s.forget(tracker.Retention{IP: 9 * day, Query: 20 * day}, 1)
	if kept := quarantine(t, s.Ledger, origin); len(kept[0].Raw) > 0 || kept[0].Reason != "damaged" {
		t.Errorf("after its time it is %+v", kept[0])
	}
	s.forget(tracker.Retention{IP: 9 * day, Query: 20 * day}, 0)
}

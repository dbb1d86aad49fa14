package ledgertest

import (
	"errors"
	"slices"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

var sessionTests = []test{
	{"newest first, by network, up to the limit", testNewestFirst},
	{"a slow reader keeps nobody waiting", testSlowReader},
	{"yield's error ends the stream", testYieldError},
}

// testNewestFirst has more sessions than a page, many of them of one millisecond, in two networks.
func testNewestFirst(t *testing.T, db Database) {
	l := open(t, db)
	const n = 1700
	all := Sessions(1, n)
	for i := range all {
		all[i].Session.Time = epoch.Add(all[i].Session.Time.Sub(epoch) / 3)
		if i%4 == 0 {
			all[i].Session.Network = "acme"
		}
	}
	apply(t, l, newOrigin(), all)
	slices.SortFunc(all, func(a, b ledger.Record) int {
		if by := b.Session.Time.Truncate(1e6).Compare(a.Session.Time.Truncate(1e6)); by != 0 {
			return by
		}
		return slices.Compare(b.Session.ID[:], a.Session.ID[:])
	})
	for _, network := range []string{"", "acme", "default", "nobody"} {
		for _, limit := range []int{0, 1, 3, 499, 500, 501, 1000, 5000} {
			var want []ledger.Record
			for _, r := range all {
				if (network == "" || r.Session.Network == network) && (limit == 0 || len(want) < limit) {
					want = append(want, r)
				}
			}
			i := 0
			err := l.Sessions(t.Context(), network, limit, func(s ledger.Session) error {
				if i >= len(want) || s.ID != want[i].Session.ID {
					return errors.New("out of order")
				}
				i++
				return nil
			})
			if err != nil || i != len(want) {
				t.Fatalf("network %q, limit %d: after %d of %d sessions %v", network, limit, i, len(want), err)
			}
		}
	}
}

// testSlowReader applies while a stream of sessions is being read.
func testSlowReader(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	apply(t, l, origin, Sessions(1, 1200))
	read := 0
	err := l.Sessions(t.Context(), "", 0, func(s ledger.Session) error {
		if read++; read%300 == 1 {
			apply(t, l, origin, Sessions(uint64(1200+read/300+1), 1))
		}
		return nil
	})
	if err != nil || read != 1200 {
		t.Fatalf("%d sessions were read, want 1200 (%v)", read, err)
	}
	wantBooks(t, l, origin, ledger.Origin{Cursor: 1204, Applied: 1204})
}

func testYieldError(t *testing.T, db Database) {
	l := open(t, db)
	apply(t, l, newOrigin(), Sessions(1, 10))
	enough, read := errors.New("enough"), 0
	err := l.Sessions(t.Context(), "", 0, func(ledger.Session) error {
		if read++; read == 4 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || read != 4 {
		t.Fatalf("after %d sessions %v", read, err)
	}
}

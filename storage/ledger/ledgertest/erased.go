package ledgertest

import (
	"slices"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// testErasedPeople asks who was erased, as nodes do that keep copies of what the ledger has.
func testErasedPeople(t *testing.T, db Database) {
	l := open(t, db)
	erase := func(network string, visitor tracker.VisitorID) string {
		t.Helper()
		before, err := l.ErasedVersion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Erase(t.Context(), network, tracker.Subject{Visitor: visitor}); err != nil {
			t.Fatal(err)
		}
		if after, err := l.ErasedVersion(t.Context()); err != nil || after == before {
			t.Errorf("the version is %q after an erasure, %v", after, err)
		}
		return tracker.VisitorHash(network, visitor)
	}
	if list, err := l.Erased(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("before anybody is erased %q are, %v", list, err)
	}
	same := tracker.NewVisitorID()
	want := []string{erase("default", same), erase("acme", same), erase("default", tracker.NewVisitorID())}
	if _, err := l.Erase(t.Context(), "default", tracker.Subject{Visitor: same}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.CreateCustomer(t.Context(), tracker.NewCustomer{Network: "default", ExternalID: "42", Brand: "shoes"}); err != nil {
		t.Fatal(err)
	}
	customer, err := l.CustomerByExternalID(t.Context(), "default", "42", "shoes")
	if err == nil {
		_, err = l.Erase(t.Context(), "default", tracker.Subject{CustomerID: customer.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, tracker.CustomerHash(l.ID(), "default", "42", "shoes"))
	got, err := l.Erased(t.Context())
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("erased are %q, %v, want %q", got, err, want)
	}
}

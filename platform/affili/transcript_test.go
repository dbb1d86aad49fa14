package affili

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The platform's requests and its one answer as its document shows them (but for the clicks, of which that one has none), the
// script's requests, and errors.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) < 12 {
		t.Fatalf("there are %d transcripts (%v)", len(files), err)
	}
	s := newShop(t)
	platformtest.Run(t, s.server, s.sample(), "testdata/*.http")
}

// sample books what the document's answer shows: a conversion of April that was paid, and one that is open. It is 29 April
// afterwards.
func (s *shop) sample() map[string]string {
	s.Helper()
	session, token := s.edgeClick(network)
	sale := func(externalID, token string) string {
		return data[Conversion](s.do("POST", "conversions", fmt.Sprintf(`{"external_id":%q,"amount":200,"token":%q,
			"aff_id":"x","referrer":"x","commissions":[{"name":"buy","sub_amount":200}],"type":"buy"}`, externalID, token))).ID
	}
	s.books.Pass(-time.Second)
	open := sale("123", "nobodys")
	s.books.Pass(time.Second)
	vars := map[string]string{
		"key": s.key, "reader": s.books.NewKey(network, tracker.ScopeRead), "token": token, "session": session.ID.String(),
		"paid": sale("1234", token), "open": open,
	}
	s.books.At(time.Date(2020, 4, 29, 15, 0, 50, 0, time.UTC))
	id, err := s.books.AliasedConversion(s.Context(), network, vars["paid"])
	if err != nil {
		s.Fatal(err)
	}
	approved, paid := tracker.StatusApproved, true
	_, err = s.books.UpdateConversion(s.Context(), network, id, tracker.ConversionUpdate{Status: &approved, Paid: &paid})
	if err != nil {
		s.Fatal(err)
	}
	return vars
}

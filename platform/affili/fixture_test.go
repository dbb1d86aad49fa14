package affili

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var _ Books = (*ledger.Ledger)(nil)

// network is that of the shop.
const network = "acme"

// The codes of the platform's own samples: aff_id, and referrer.
const (
	sampleAffID    = "affili12439651d0m"
	sampleReferrer = "5f53a29fb867dd7df313d4e2"
)

// chrome is a browser.
const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"

// shop is the dialect's server on a real ledger.
type shop struct {
	testing.TB
	server http.Handler
	books  *sqlitetest.Books
	log    strings.Builder
	key    string // of do
}

// newShop opens one on the day of the platform's sample, 5 April 2020, with John Doe's links of the sample, who earns 20 %.
func newShop(t testing.TB, change ...func(*Options)) *shop {
	t.Helper()
	books := sqlitetest.OpenBooks(t, time.Date(2020, 4, 5, 8, 16, 38, 0, time.UTC))
	s := &shop{TB: t, books: books}
	t.Cleanup(func() { books.Close() }) // a test may have closed it
	options := Options{
		Options: platform.Options{
			OpenToken: books.OpenToken,
			SealToken: books.SealToken,
			Logger:    slog.New(slog.NewTextHandler(&s.log, nil)),
			Now:       books.Now,
		},
		Books: func() (Books, error) { return books, nil },
		Browser: Browser{
			Network: network, Sites: []string{"https://shop.example.com", "http://127.0.0.1:8080"},
			Visitor: func(r *http.Request, _ time.Time) Visitor {
				return Visitor{Address: r.RemoteAddr, IP: "203.0.113.0", UserAgent: r.UserAgent()}
			},
		},
	}
	for _, change := range change {
		change(&options)
	}
	s.server = New(options)
	for _, network := range []string{network, "other"} {
		s.addLinks(network)
	}
	s.key = s.books.NewKey(network, tracker.ScopeAll)
	return s
}

func (s *shop) addLinks(network string) {
	s.Helper()
	ctx := s.Context()
	john, err := s.books.CreateAffiliate(ctx, network, tracker.AffiliateFields{Name: "John Doe"})
	if err != nil {
		s.Fatal(err)
	}
	campaign, err := s.books.CreateCampaign(ctx, network, tracker.CampaignFields{
		Name: "sales", Commissions: []tracker.Commission{
			{Name: tracker.DefaultCommission, Percent: 200_000}, // 20 %
			{Name: "signup", Fixed: &tracker.Money{Amount: 500, Currency: "IRR"}},
		},
	})
	if err != nil {
		s.Fatal(err)
	}
	for _, code := range []string{sampleAffID, sampleReferrer} {
		_, err := s.books.CreateLink(ctx, network, tracker.LinkFields{
			Code: code, AffiliateID: john.ID, CampaignID: campaign.ID, Enabled: true,
		})
		if err != nil {
			s.Fatal(err)
		}
	}
}

// edgeClick books a session as an edge does and returns it with the token that its visitor has in the cookie.
func (s *shop) edgeClick(network string) (session tracker.Session, token string) {
	s.Helper()
	now := s.books.Now()
	session = tracker.Session{
		ID: tracker.NewSessionID(now), Network: network, Code: sampleAffID, Time: now, Class: tracker.ClassHuman,
		Visitor: tracker.NewVisitorID(), IP: "127.0.0.1", UserAgent: chrome, Host: "shop.example.com", Route: "/shoes", Param: "via",
	}
	booked := forward.Enrich(session)
	_, err := s.books.Apply(s.Context(), tracker.NewSessionID(now).String(), []ledger.Record{
		{Seq: 1, Session: &booked, Raw: session.AppendRecord(nil)},
	})
	if err != nil {
		s.Fatal(err)
	}
	touch := tracker.Touch{Session: session.ID, Code: session.Code, Time: now}
	if token, err = s.books.Sealer.Seal(tracker.Token{Network: network, Visitor: session.Visitor, First: touch, Last: touch}); err != nil {
		s.Fatal(err)
	}
	return session, token
}

// reply is an answer.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// do sends a request with the shop's key, as curl's --data-raw does.
func (s *shop) do(method, path, body string) reply {
	s.Helper()
	r := httptest.NewRequest(method, "/api/merchants/"+path, strings.NewReader(body))
	if s.key != "" {
		r.Header.Set("Authorization", "Bearer "+s.key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return s.send(r)
}

// fromPage sends a request as the script does on a page of the site.
func (s *shop) fromPage(path, body string) reply {
	s.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Origin", "https://shop.example.com")
	r.Header.Set("User-Agent", chrome)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	return s.send(r)
}

func (s *shop) send(r *http.Request) reply {
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return reply{s.TB, w.Code, w.Header(), w.Body.String()}
}

// want fails unless the answer has the status, in the envelope of such.
func (r reply) want(status int) reply {
	r.t.Helper()
	word := `{"status":"ok",`
	if status != http.StatusOK {
		word = `{"status":"error",`
	}
	if r.status != status || !strings.HasPrefix(r.body, word) || !strings.HasSuffix(r.body, `"api_version":"1.0.0"}`+"\n") {
		r.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// wantWrong fails unless the answer is 422 with an entry for each of the fields, and for no other.
func (r reply) wantWrong(fields ...string) {
	r.t.Helper()
	r.want(http.StatusUnprocessableEntity)
	var e ErrorEnvelope
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		r.t.Fatal(err)
	}
	for _, field := range fields {
		if len(e.Errors[field]) == 0 {
			r.t.Errorf("nothing is said of %s: %s", field, r.body)
		}
	}
	if len(e.Errors) != len(fields) {
		r.t.Errorf("the fields are %v, want %v", e.Errors, fields)
	}
}

// data reads the answer's data.
func data[T any](r reply) (v T) {
	r.t.Helper()
	r.want(http.StatusOK)
	envelope := struct {
		Data *T `json:"data"`
	}{&v}
	if err := json.Unmarshal([]byte(r.body), &envelope); err != nil {
		r.t.Fatalf("%v in %s", err, r.body)
	}
	return v
}

// booked are the network's conversions, newest first, as the books have them.
func (s *shop) booked(network string) []tracker.Conversion {
	s.Helper()
	all, _, err := s.books.Conversions(s.Context(), network, tracker.ConversionFilter{}, tracker.Page{Limit: tracker.MaxPage})
	if err != nil {
		s.Fatal(err)
	}
	return all
}

// sessions are the network's, newest first.
func (s *shop) sessions(network string) []tracker.BookedSession {
	s.Helper()
	all, _, err := s.books.FindSessions(s.Context(), network, tracker.SessionFilter{}, tracker.Page{Limit: tracker.MaxPage})
	if err != nil {
		s.Fatal(err)
	}
	return all
}

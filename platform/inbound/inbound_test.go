package inbound

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var _ Books = (*ledger.Ledger)(nil)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const path = "/postback/0123456789abcdef"

// shop is the server on a real ledger, in whose network Ann earns a tenth by her link "ann".
type shop struct {
	*testing.T
	books  *sqlitetest.Books
	server *platform.Server
	click  tracker.Touch
}

func newShop(t *testing.T, edits ...func(*Options)) *shop {
	t.Helper()
	books := sqlitetest.OpenBooks(t, noon)
	s := &shop{T: t, books: books}
	o := Options{
		Options: platform.Options{OpenToken: books.OpenToken},
		Books:   func() (Books, error) { return books, nil },
		Path:    path, Network: "acme", Currency: "EUR", Trusted: true,
		Address: func(r *http.Request) netip.Addr { return netip.MustParseAddrPort(r.RemoteAddr).Addr() },
	}
	for _, edit := range edits {
		edit(&o)
	}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	s.server = New(o)
	ann, err := books.CreateAffiliate(t.Context(), "acme", tracker.AffiliateFields{Name: "Ann"})
	if err != nil {
		t.Fatal(err)
	}
	sales, err := books.CreateCampaign(t.Context(), "acme", tracker.CampaignFields{
		Name: "sales", Commissions: []tracker.Commission{{Name: "default", Percent: 10_0000}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := books.CreateLink(t.Context(), "acme", tracker.LinkFields{
		Code: "ann", AffiliateID: ann.ID, CampaignID: sales.ID, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	at := noon.Add(-time.Hour)
	s.click = tracker.Touch{Session: tracker.NewSessionID(at), Code: "ann", Time: at}
	if err := books.AddSession(t.Context(), tracker.BookedSession{Session: tracker.Session{
		ID: s.click.Session, Network: "acme", Code: "ann", Time: at, Class: tracker.ClassHuman}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) send(method, query string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path+"?"+query, nil)
	if method == http.MethodPost {
		r = httptest.NewRequest(method, path, strings.NewReader(query))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w
}

// want sends a postback and wants the status, and then these conversions as "external_id status amount wage".
func (s *shop) want(method, query string, status int, conversions ...string) {
	s.Helper()
	if w := s.send(method, query); w.Code != status {
		s.Errorf("%s is answered %d %s", query, w.Code, w.Body)
	}
	all, _, err := s.books.Conversions(s.Context(), "acme", tracker.ConversionFilter{}, tracker.Page{})
	if err != nil {
		s.Fatal(err)
	}
	var got []string
	for _, c := range all {
		got = append(got, strings.Join([]string{c.ExternalID, string(c.Status), tracker.FormatAmount(c.Amount, c.Currency),
			tracker.FormatAmount(c.Wage, c.Currency)}, " "))
	}
	slices.Sort(got)
	if !slices.Equal(got, conversions) {
		s.Errorf("after %s the books have %q, want %q", query, got, conversions)
	}
}

func TestPostbacks(t *testing.T) {
	s := newShop(t)
	click := s.click.Session.String()
	for range 2 { // the same again changes nothing
		s.want("GET", "click_id="+click+"&txid=1&payout=10.50", 200, "1 pending 10.50 1.05")
	}
	s.want("POST", "SubID="+click+"&tid=2&sum=20&status=Sale&currency=eur", 200, "1 pending 10.50 1.05", "2 approved 20.00 2.00")
	s.want("GET", "click_id="+click+"&txid=1&payout=10.50&status=approved", 200, "1 approved 10.50 1.05", "2 approved 20.00 2.00")
	s.want("GET", "click_id="+click+"&txid=1&payout=10.50&status=pending", 200, "1 approved 10.50 1.05", "2 approved 20.00 2.00")
	s.want("GET", "click_id="+click+"&txid=2&sum=20&status=trash", 200, "1 approved 10.50 1.05", "2 rejected 20.00 0.00")
	s.want("GET", "click_id="+click+"&txid=1&payout=10.50&status=refunded", 200, "1 approved 0.00 0.00", "2 rejected 20.00 0.00")
}

func TestAnotherAmountIsTakenOver(t *testing.T) {
	s := newShop(t)
	click := s.click.Session.String()
	s.want("GET", "click_id="+click+"&txid=1&payout=10", 200, "1 pending 10.00 1.00")
	s.want("GET", "click_id="+click+"&txid=1&payout=30", 200, "1 pending 30.00 3.00")
	s.want("GET", "click_id="+click+"&txid=1&payout=10", 200, "1 pending 30.00 3.00") // an old one, come late
}

func TestWithoutASaleTheClickIsTheIdentity(t *testing.T) {
	s := newShop(t)
	click := s.click.Session.String()
	s.want("GET", "transaction_id="+click+"&type=lead", 200, click+" pending 0.00 0.00")
}

func TestATokenNamesTheClickAsWell(t *testing.T) {
	s := newShop(t)
	token, err := s.books.Sealer.Seal(tracker.Token{Network: "acme", Visitor: tracker.NewVisitorID(), First: s.click, Last: s.click})
	if err != nil {
		t.Fatal(err)
	}
	s.want("GET", "cid="+token+"&txid=1&amount=5", 200, "1 pending 5.00 0.50")
}

func TestUntrustedPostbacksArePending(t *testing.T) {
	s := newShop(t, func(o *Options) { o.Trusted = false })
	s.want("GET", "click_id="+s.click.Session.String()+"&txid=1&amount=5&status=approved", 200, "1 pending 5.00 0.50")
}

// What somebody has approved is not what another amount says, unless it comes approved as well.
func TestAnotherAmountIsApprovedByNobody(t *testing.T) {
	s := newShop(t, func(o *Options) { o.Trusted = false })
	query := "click_id=" + s.click.Session.String() + "&txid=1&payout="
	s.want("GET", query+"5&status=approved", 200, "1 pending 5.00 0.50")
	s.approve()
	s.want("GET", query+"5&status=pending", 200, "1 approved 5.00 0.50")
	s.want("GET", query+"900&status=approved", 200, "1 pending 900.00 90.00")
	s = newShop(t)
	query = "click_id=" + s.click.Session.String() + "&txid=1&payout="
	s.want("GET", query+"5&status=approved", 200, "1 approved 5.00 0.50")
	s.want("GET", query+"6&status=approved", 200, "1 approved 6.00 0.60")
	s.want("GET", query+"7", 200, "1 pending 7.00 0.70")
}

// approve approves the only conversion, and does what else the update says.
func (s *shop) approve(updates ...tracker.ConversionUpdate) {
	s.Helper()
	all, _, err := s.books.Conversions(s.Context(), "acme", tracker.ConversionFilter{}, tracker.Page{})
	if err != nil || len(all) != 1 {
		s.Fatalf("%d conversions, %v", len(all), err)
	}
	approved := tracker.StatusApproved
	for _, u := range append([]tracker.ConversionUpdate{{Status: &approved}}, updates...) {
		if _, err := s.books.UpdateConversion(s.Context(), "acme", all[0].ID, u); err != nil {
			s.Fatal(err)
		}
	}
}

func TestRefundAfterThePayout(t *testing.T) {
	s := newShop(t)
	s.want("GET", "click_id="+s.click.Session.String()+"&txid=1&payout=10.50", 200, "1 pending 10.50 1.05")
	paid := true
	s.approve(tracker.ConversionUpdate{Paid: &paid})
	s.want("GET", "txid=1&payout=3&type=lead&status=refunded", 200, "1 approved 10.50 1.05", "1 pending 0.00 0.00") // another sale
	for range 2 {
		s.want("GET", "txid=1&status=refunded", 200, "1 approved 0.00 0.00", "1 pending 0.00 0.00")
	}
	s.want("GET", "txid=1&payout=99", 409, "1 approved 0.00 0.00", "1 pending 0.00 0.00")
}

func TestOwnStatuses(t *testing.T) {
	s := newShop(t, func(o *Options) { o.Statuses = map[string]tracker.ConversionStatus{"ok": tracker.StatusApproved} })
	s.want("GET", "txid=1&amount=5&status=OK", 200, "1 approved 5.00 0.00")
	s.want("GET", "txid=2&amount=5&status=what", 422, "1 approved 5.00 0.00")
}

func TestRefusedPostbacks(t *testing.T) {
	s := newShop(t)
	for query, status := range map[string]int{
		"":                                 422,
		"txid=":                            422,
		"txid=1&amount=1e400":              422,
		"txid=1&amount=-5":                 422,
		"txid=1&amount=NaN":                422,
		"txid=1&amount=1.005":              422,
		"txid=1&currency=XXXX":             422,
		"click_id=nobody&txid=1":           422,
		"txid=%zz":                         400,
		"txid=" + strings.Repeat("x", 300): 422,
		"txid=1&amount=" + strings.Repeat("9", 30): 422,
	} {
		s.want("GET", query, status)
	}
	s.want("DELETE", "txid=1", 405)
	s.want("POST", "txid=1&x="+strings.Repeat("x", access.MaxBody), 400)
}

func TestSignedPostbacks(t *testing.T) {
	const secret = "0123456789abcdef"
	s := newShop(t, func(o *Options) { o.Secret = secret })
	sign := func(sorted string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(sorted))
		return hex.EncodeToString(mac.Sum(nil))
	}
	s.want("GET", "txid=1&amount=5", 401)
	s.want("GET", "txid=1&amount=5&sig="+sign("amount=6&txid=1"), 401)
	s.want("GET", "txid=1&sig="+sign("amount=5&txid=1")+"&amount=5", 200, "1 pending 5.00 0.00")
	s.want("POST", "txid=1&sig="+sign("amount=5&txid=1")+"&amount=5", 200, "1 pending 5.00 0.00")
}

func TestOnlyTheseAddresses(t *testing.T) {
	for from, status := range map[string]int{"192.0.2.0/24": 200, "198.51.100.0/24": 403} {
		s := newShop(t, func(o *Options) { o.From = []netip.Prefix{netip.MustParsePrefix(from)} })
		if w := s.send("GET", "txid=1&amount=5"); w.Code != status { // httptest's requests come from 192.0.2.1
			t.Errorf("from %s: %d", from, w.Code)
		}
	}
}

func TestOnlyTheSecretPathIsOurs(t *testing.T) {
	s := newShop(t)
	for path, want := range map[string]bool{path: true, path + "x": false, "/postback/": false, path[:len(path)-1]: false} {
		if got := s.server.Owns(path); got != want {
			t.Errorf("%s is ours: %t", path, got)
		}
	}
}

func TestSettingsThatLetAnybodyIn(t *testing.T) {
	for name, o := range map[string]Options{
		"short path":     {Path: "/postback", Currency: "EUR"},
		"no slash":       {Path: "0123456789abcdefgh", Currency: "EUR"},
		"short secret":   {Path: "/postback", Secret: "short", Currency: "EUR"},
		"no such money":  {Path: path, Currency: "EURO"},
		"secret in path": {Path: "/0123456789abcdef/postback", Currency: "EUR"},
	} {
		if o.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzPostback(f *testing.F) {
	f.Add("click_id=x&txid=1&payout=10.50&status=sale")
	f.Add("sig=&a=%zz;&;;&&==")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := (&server{Options{Secret: ""}}).read(httptest.NewRecorder(), &http.Request{Method: "GET", URL: &url.URL{RawQuery: query}})
		if err != nil {
			return
		}
		s := &server{Options{Currency: "EUR", Options: platform.Options{OpenToken: func(string, string) (tracker.Token, bool) { return tracker.Token{}, false }}}}
		if n, status, err := s.conversion(values); err == nil && (n.ExternalID == "" || status == "") {
			t.Errorf("%q is conversion %+v, %q", query, n, status)
		}
		signed(query, "secret")
	})
}

package affelios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func TestClickKeysOfEveryKind(t *testing.T) {
	s := newShop(t)
	click := s.click("acme", "ann")
	for name, key := range map[string]string{
		"session": click.ID.String(), "session in upper case": strings.ToUpper(click.ID.String()),
		"token": s.token(click), "hand-over": s.handoff(click),
	} {
		c := s.create(name, `,"clickId":"`+key+`"`)
		if c.Tracking == nil || text(c.Tracking.ClickID) != click.ID.String() || text(c.Tracking.AffiliateName) != "Ann" ||
			text(c.Tracking.AffiliateTrackerName) != "ann" || text(c.Tracking.CustomParameter) != "summer" ||
			text(c.ReferringURL) != "https://blog.example/post" || text(c.Tracking.Date) != "2026-11-21T10:00:00Z" {
			t.Errorf("%s: the customer is %+v, tracked as %+v", name, c, c.Tracking)
		}
	}
}

// TestClickKeyHasThreeValues: absent is organic, known is attributed, unknown is neither.
func TestClickKeyHasThreeValues(t *testing.T) {
	s := newShop(t)
	foreign := s.newForeignClick()
	for name, more := range map[string]string{"absent": "", "null": `,"clickId":null`, "empty": `,"clickId":""`} {
		c := s.create(name, more)
		if text(c.Tracking.CampaignName) != "organic" || c.Tracking.ClickID != nil || c.Tracking.AffiliateID != nil {
			t.Errorf("%s: tracked as %+v", name, c.Tracking)
		}
	}
	unknown := map[string]string{
		"session of nobody": tracker.NewSessionID(noon.Add(-time.Hour)).String(), "macro": "[ClickKey]", "blank": " ",
		"foreign session": foreign.ID.String(), "foreign token": s.token(foreign), "foreign hand-over": s.handoff(foreign),
		"counted": "counted", "long": strings.Repeat("x", 10_000), "no version 7": "00000000-0000-0000-0000-000000000000",
	}
	for name, key := range unknown {
		s.do("POST", "/api/v1/customer", newCustomer("u-"+name, `,"clickId":"`+key+`"`)).refused(422, "ClickId")
	}
	s.serve(func(o *Options) { o.UnknownKey = UnknownOrganic })
	for name, key := range unknown {
		if c := s.create("u-"+name, `,"clickId":"`+key+`"`); text(c.Tracking.CampaignName) != "organic" {
			t.Errorf("%s: tracked as %+v", name, c.Tracking)
		}
	}
	s.books.UseTerms(tracker.Terms{Organic: tracker.OrganicReject})
	s.do("POST", "/api/v1/customer", newCustomer("o-1", "")).refused(422)
	s.do("POST", "/api/v1/customer", newCustomer("o-1", `,"clickId":"?"`)).refused(422)
	s.create("o-2", `,"clickId":"`+s.click("acme", "ann").ID.String()+`"`)
}

// newForeignClick is a click in another network, in which there is a key too.
func (s *shop) newForeignClick() tracker.BookedSession {
	s.Helper()
	s.books.NewKey("other", tracker.ScopeAll)
	s.addLink("other", "bob", "Bob")
	return s.click("other", "bob")
}

func TestClickKeyNames(t *testing.T) {
	s := newShop(t)
	key, other := s.click("acme", "ann").ID.String(), s.click("acme", "ann").ID.String()
	for i, more := range []string{
		`,"clickId":"KEY"`, `,"clickKey":"KEY"`, `,"ClickKey":"KEY"`, `,"CLICKID":"KEY"`,
		`,"clickId":"KEY","clickKey":"KEY"`, `,"clickKey":"KEY","ClickKey":"KEY"`, `,"clickId":null,"ClickKey":"KEY"`,
		`,"clickId":"","clickKey":"KEY"`,
	} {
		c := s.create(fmt.Sprintf("c-%d", i), strings.ReplaceAll(more, "KEY", key))
		if text(c.Tracking.ClickID) != key {
			t.Errorf("%s: tracked as %+v", more, c.Tracking)
		}
	}
	for _, more := range []string{
		`,"clickId":"KEY","clickKey":"OTHER"`, `,"clickKey":"KEY","ClickKey":"OTHER"`, `,"clickId":"KEY","clickId":"KEY"`,
		`,"clickId":1`,
	} {
		body := newCustomer("c", strings.NewReplacer("KEY", key, "OTHER", other).Replace(more))
		s.do("POST", "/api/v1/customer", body).refused(400, "ClickId")
	}
}

// lateBooks get a session only once somebody has looked for it in vain.
type lateBooks struct {
	*ledger.Ledger
	late *tracker.BookedSession
}

func (b *lateBooks) FindSession(ctx context.Context, network string, id tracker.SessionID) (tracker.BookedSession, error) {
	found, err := b.Ledger.FindSession(ctx, network, id)
	if b.late != nil && b.late.ID == id {
		err = errors.Join(err, b.AddSession(ctx, *b.late))
		b.late = nil
	}
	return found, err
}

// TestClickOnItsWay: who registers at once is attributed though the click is not in the books yet.
func TestClickOnItsWay(t *testing.T) {
	s := newShop(t)
	id := tracker.NewSessionID(noon.Add(-time.Second))
	late := &lateBooks{s.books.Ledger, &tracker.BookedSession{Session: tracker.Session{
		Network: "acme", ID: id, Code: "ann", Class: tracker.ClassHuman, Time: noon.Add(-time.Second),
	}}}
	s.serve(func(o *Options) { o.Books = func() (Books, error) { return late, nil } })
	body := `{"externalId":"c-1","externalBrandId":"b","registrationDate":"2026-11-21T12:00:00Z","clickId":"` + id.String() + `"}`
	if c := s.do("POST", "/api/v1/customer", body).want(200).customer(); text(c.Tracking.ClickID) != id.String() {
		t.Errorf("tracked as %+v", c.Tracking)
	}

	lost := tracker.NewSessionID(noon.Add(-time.Second)).String()
	r := s.do("POST", "/api/v1/customer", newCustomer("c-2", `,"clickId":"`+lost+`"`)).refused(503)
	if r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
}

func TestExpiredClickIsOrganic(t *testing.T) {
	s := newShop(t)
	old := s.clickAt("acme", "ann", noon.AddDate(0, -3, 0))
	if c := s.create("c-1", `,"clickId":"`+old.ID.String()+`"`); text(c.Tracking.CampaignName) != "organic" {
		t.Errorf("tracked as %+v", c.Tracking)
	}
}

func TestDuplicates(t *testing.T) {
	s := newShop(t)
	first := s.create("c-1", `,"username":"jane"`)
	same, other := newCustomer("c-1", `,"username":"jane"`), newCustomer("c-1", `,"username":"john"`)
	s.do("POST", "/api/v1/customer", same).refused(409)
	s.do("POST", "/api/v1/customer", other).refused(409)
	s.create("c-2", "")

	s.serve(func(o *Options) { o.Duplicates = DuplicateReturn })
	s.do("PUT", "/api/v1/customer/"+*first.ID, `{"label":"vip"}`).want(200)
	again := s.do("POST", "/api/v1/customer", same).want(200).customer()
	if *again.ID != *first.ID || text(again.Label) != "vip" {
		t.Errorf("again it is %+v", again)
	}
	s.do("POST", "/api/v1/customer", other).refused(409)
}

func TestBrandIDMayStandForTheExternalOne(t *testing.T) {
	s := newShop(t)
	const body = `{"brandId":"b-9","externalId":"c-1","registrationDate":"2026-11-21T11:00:00Z"}`
	s.do("POST", "/api/v1/customer", body).refused(400, "ExternalBrandId")
	s.serve(func(o *Options) { o.BrandID = true })
	if c := s.do("POST", "/api/v1/customer", body).want(200).customer(); text(c.ExternalBrandID) != "b-9" {
		t.Errorf("the brand is %s", text(c.ExternalBrandID))
	}
	c := s.create("c-1", `,"brandId":"b-9"`)
	if text(c.ExternalBrandID) != "brand-1" {
		t.Errorf("the brand is %s", text(c.ExternalBrandID))
	}
}

func TestDates(t *testing.T) {
	s := newShop(t)
	for given, want := range map[string]string{
		"2026-11-21T11:00:00Z":          "2026-11-21T11:00:00Z",
		"2026-11-21T11:00:00.1234567Z":  "2026-11-21T11:00:00.123Z",
		"2026-11-21T11:00:00+02:00":     "2026-11-21T09:00:00Z",
		"2026-11-21T11:00:00.500-03:30": "2026-11-21T14:30:00.5Z",
	} {
		body := `{"externalId":"` + given + `","externalBrandId":"b","registrationDate":"` + given + `"}`
		if c := s.do("POST", "/api/v1/customer", body).want(200).customer(); c.RegistrationDate != want {
			t.Errorf("%s is %s, want %s", given, c.RegistrationDate, want)
		}
	}
	for _, given := range []string{
		`""`, `null`, `"0001-01-01T00:00:00"`, `"0001-01-01T00:00:00Z"`, `"2026-11-21"`, `"2026-11-21T11:00:00"`, `"21.11.2026"`,
		`"2026-02-30T00:00:00Z"`, `1790000000`, `"9999-12-31T23:59:59-01:00"`, `"1970-01-01T00:00:00Z"`,
	} {
		body := `{"externalId":"x","externalBrandId":"b","registrationDate":` + given + `}`
		s.do("POST", "/api/v1/customer", body).refused(400, "RegistrationDate")
	}
}

func TestChange(t *testing.T) {
	s := newShop(t)
	click, other := s.click("acme", "ann"), s.click("acme", "ann")
	c := s.create("c-1", `,"username":"jane","country":"Utopia","cpaExcluded":true,"clickId":"`+click.ID.String()+`"`)
	path := "/api/v1/customer/" + *c.ID
	changed := s.do("PUT", path, `{"label":"vip","category":"gold","country":"","country_code":"gb","username":null,
		"revShareExcluded":true,"registrationDate":"2026-11-20T11:00:00Z"}`).want(200).customer()
	if text(changed.Label) != "vip" || text(changed.Category) != "gold" || changed.Country != nil || text(changed.CountryCode) != "GB" ||
		text(changed.Username) != "jane" || !changed.RevShareExcluded || !changed.CPAExcluded ||
		changed.RegistrationDate != "2026-11-20T11:00:00Z" {
		t.Errorf("changed it is %+v", changed)
	}
	// What was read may be written back as it is.
	read := s.do("GET", path, "").want(200)
	if again := s.do("PUT", path, read.body).want(200); again.body != read.body {
		t.Errorf("written back it is\n%s, was\n%s", again.body, read.body)
	}
	for _, key := range []string{click.ID.String(), s.token(click), s.handoff(click)} {
		s.do("PUT", path, `{"clickId":"`+key+`"}`).want(200)
	}
	s.do("PUT", path, `{"clickId":"`+other.ID.String()+`"}`).refused(422, "ClickId")
	s.do("PUT", path, `{"clickKey":"?"}`).refused(422, "ClickId")
	s.do("PUT", path, `{"externalId":"c-2"}`).refused(422, "ExternalId")
	s.do("PUT", path, `{"externalBrandId":"b"}`).refused(422, "ExternalBrandId")
	s.do("PUT", path, `{"country_code":"GBR"}`).refused(400, "CountryCode")
	s.do("PUT", path, `{"cpaExcluded":1,"label":2}`).refused(400, "CpaExcluded", "Label")
	s.do("PUT", path, `[]`).refused(400, "")
	s.do("PUT", "/api/v1/customer/"+click.ID.String(), `{}`).refused(404)
	if now := s.do("GET", path, "").want(200); now.body != read.body {
		t.Errorf("in the end it is\n%s, was\n%s", now.body, read.body)
	}
}

// TestForeignCustomer asks with a key of another network.
// TestChangeTakesWhatWasShown: an answer can be changed and sent back, also to a strict server.
func TestChangeTakesWhatWasShown(t *testing.T) {
	s := newShop(t)
	path := "/api/v1/customer/" + *s.create("c-1", `,"country_code":"GB"`).ID
	var list []string
	for i := range 200 { // more than other bodies may hold
		list = append(list, deposit(fmt.Sprint("t-", i), `,"depositAmount":2`))
	}
	s.do("POST", "/api/v1/transaction/bulk", "["+strings.Join(list, ",")+"]").want(202)
	for _, edits := range [][]func(*Options){nil, {strict}} {
		s.serve(edits...)
		shown := s.do("GET", path, "").want(200).body
		if len(shown) <= access.MaxBody {
			t.Fatalf("the answer has %d bytes", len(shown))
		}
		changed := strings.Replace(shown, `"label":null`, `"label":"gold"`, 1)
		if got := s.do("PUT", path, changed).want(200).customer(); got.Label == nil || *got.Label != "gold" || !got.HasDeposited {
			t.Errorf("the customer is %+v", got)
		}
		s.do("PUT", path, `{"label":""}`).want(200)
	}
	s.do("PUT", path, `{"shoeSize":44,"shoe size":44}`).refused(400, "ShoeSize", "")
}

func TestForeignCustomer(t *testing.T) {
	s := newShop(t)
	c := s.create("c-1", "")
	path := "/api/v1/customer/" + *c.ID
	ours := s.do("GET", path, "").want(200).body
	s.key = s.books.NewKey("other", tracker.ScopeAll)
	s.do("GET", path, "").refused(404)
	s.do("PUT", path, `{"label":"!"}`).refused(404)
	s.do("POST", "/api/v1/transaction", deposit("t-1", "")).refused(422, "ExternalCustomerId")
	if own := s.create("c-1", ""); *own.ID == *c.ID || text(own.OperatorID) != "other" {
		t.Errorf("the other network's is %+v", own)
	}
	s.key = s.books.NewKey("acme", "customers:read", "transactions:read")
	if now := s.do("GET", path, "").want(200); now.body != ours {
		t.Errorf("it is now\n%s, was\n%s", now.body, ours)
	}
}

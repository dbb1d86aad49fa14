package invoca

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// mirror is a shop's books whose affiliates are kept in another network, which is served in the dialect.
type mirror struct {
	testing.TB
	ours   *ledger.Ledger
	theirs *network
	to     *Destination
	client *forward.Client
}

func newMirror(t testing.TB, served func(*Options), settings func(*DestinationOptions)) *mirror {
	t.Helper()
	ours := sqlitetest.Open(t)
	ours.UseRoutes([]tracker.Route{{Destination: "invoca", Network: "shop", Kinds: []tracker.EventKind{tracker.EventAffiliate}, Ordered: true}})
	theirs := newNetwork(t, served)
	server := httptest.NewServer(theirs.handler)
	t.Cleanup(server.Close)
	o := DestinationOptions{Endpoint: server.URL, NetworkID: "acme", Token: theirs.key}
	if settings != nil {
		settings(&o)
	}
	to, err := NewDestination(o)
	if err != nil {
		t.Fatal(err)
	}
	return &mirror{t, ours, theirs, to, forward.NewClient(loopback)}
}

func (m *mirror) create(f tracker.AffiliateFields) tracker.Affiliate {
	m.Helper()
	made, err := m.ours.CreateAffiliate(m.Context(), "shop", f)
	if err != nil {
		m.Fatal(err)
	}
	return made
}

func (m *mirror) change(id int64, change func(*tracker.AffiliateFields)) tracker.Affiliate {
	m.Helper()
	changed, err := m.ours.UpdateAffiliate(m.Context(), "shop", id, func(f *tracker.AffiliateFields) error {
		change(f)
		return nil
	})
	if err != nil {
		m.Fatal(err)
	}
	return changed
}

func (m *mirror) delete(id int64) {
	m.Helper()
	if err := m.ours.DeleteAffiliate(m.Context(), "shop", id); err != nil {
		m.Fatal(err)
	}
}

// deliver sends all that is due, each twice as after a crash, and returns the errors of the second attempts.
func (m *mirror) deliver() (failed []error) {
	m.Helper()
	for {
		due, err := m.ours.ClaimDeliveries(m.Context(), "shop", "invoca", time.Minute, 100)
		if err != nil {
			m.Fatal(err)
		}
		if len(due) == 0 {
			return failed
		}
		events, err := m.ours.DeliveryEvents(m.Context(), due)
		if err != nil || len(events) != len(due) {
			m.Fatalf("%d events of %d deliveries: %v", len(events), len(due), err)
		}
		var outcomes []tracker.DeliveryOutcome
		for _, d := range due {
			m.to.Send(m.Context(), m.client, events[d.ID])
			if _, err := m.to.Send(m.Context(), m.client, events[d.ID]); err != nil {
				failed = append(failed, err)
			}
			outcomes = append(outcomes, tracker.DeliveryOutcome{Delivery: d, State: tracker.DeliverySent})
		}
		if err := m.ours.FinishDeliveries(m.Context(), "shop", "invoca", outcomes); err != nil {
			m.Fatal(err)
		}
	}
}

// delivered delivers what must be taken. Of an affiliate that is gone already nothing is to be told but that.
func (m *mirror) delivered() {
	m.Helper()
	for _, err := range m.deliver() {
		if !errors.Is(err, forward.ErrSkip) {
			m.Fatal(err)
		}
	}
}

// want fails unless the other network has exactly these affiliates.
func (m *mirror) want(affiliates ...tracker.AffiliateFields) {
	m.Helper()
	found, _, err := m.theirs.books.Affiliates(m.Context(), "acme", tracker.AffiliateFilter{}, tracker.Page{})
	if err != nil {
		m.Fatal(err)
	}
	got := []tracker.AffiliateFields{}
	for _, a := range found {
		got = append(got, a.AffiliateFields)
	}
	if len(got) != len(affiliates) || len(got) > 0 && !reflect.DeepEqual(got, affiliates) {
		m.Fatalf("there are\n%+v\nwant\n%+v", got, affiliates)
	}
}

// surfers is an affiliate with everything that one can have.
func surfers() tracker.AffiliateFields {
	return tracker.AffiliateFields{
		Name: "Surf Oz & Söhne", IDFromNetwork: "a/b c%2F.json?ü", Status: tracker.AffiliateApplied,
		Sites: []tracker.Site{{IDFromNetwork: "33567", Name: "http://www.surfoz.au"}, {IDFromNetwork: "44920"}},
		Users: []tracker.User{
			{IDFromNetwork: "1", FirstName: "Ann", LastName: "A", ContactPhoneNumber: "+18057089876", Role: tracker.RoleManager, NotifyOnBudgets: true,
				EmailSettings: []tracker.EmailSetting{{EmailAddress: "ann@example.com", UseForNotifications: true}, {EmailAddress: "a@example.com"}}},
			{IDFromNetwork: "2", FirstName: "Bob", LastName: "B", NotifyOnCallActivities: true,
				EmailSettings: []tracker.EmailSetting{{EmailAddress: "bob@example.com", UseForNotifications: true}}},
		},
		CustomData: map[string]string{"channel": "Offline lead"},
	}
}

// What is made, changed and archived here is so there, by the platform's own table to the letter.
func TestAffiliatesAreKeptThere(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict %t", strict), func(t *testing.T) {
			m := newMirror(t, func(o *Options) { o.Strict = strict }, nil)
			made := m.create(surfers())
			m.delivered()
			m.want(made.AffiliateFields)
			changed := m.change(made.ID, func(f *tracker.AffiliateFields) {
				f.Name, f.Status = "Surfers", tracker.AffiliateSuspended
				f.Sites = f.Sites[:1]
				f.Sites[0].Name = ""
				f.Users = f.Users[:1]
				f.Users[0].ContactPhoneNumber, f.Users[0].NotifyOnBudgets = "", false
				f.CustomData["channel"] = ""
			})
			m.delivered()
			m.want(changed.AffiliateFields)
			changed = m.change(made.ID, func(f *tracker.AffiliateFields) {
				f.Status, f.Sites, f.Users = tracker.AffiliateArchived, nil, nil
			})
			m.delivered()
			m.want(changed.AffiliateFields)
		})
	}
}

// Several changes that wait lead to the newest state, whichever of them is sent.
func TestTheNewestStateIsSent(t *testing.T) {
	m := newMirror(t, nil, nil)
	made := m.create(surfers())
	m.change(made.ID, func(f *tracker.AffiliateFields) { f.Status = tracker.AffiliateSuspended })
	due, err := m.ours.ClaimDeliveries(t.Context(), "shop", "invoca", time.Minute, 1)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	events, err := m.ours.DeliveryEvents(t.Context(), due)
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	if _, err := m.to.Send(t.Context(), m.client, events[due[0].ID]); err != nil {
		t.Fatal(err)
	}
	want := made.AffiliateFields
	want.Status = tracker.AffiliateSuspended
	m.want(want)
}

func TestDeletedAffiliates(t *testing.T) {
	m := newMirror(t, nil, nil)
	first, second := m.create(tracker.AffiliateFields{Name: "First", IDFromNetwork: "1"}), m.create(tracker.AffiliateFields{Name: "Second", IDFromNetwork: "2"})
	m.delivered()
	m.delete(second.ID)
	m.delivered()
	m.want(first.AffiliateFields)

	m.theirs.link(1) // for which the platform refuses to delete it
	m.delete(first.ID)
	m.delivered()
	first.Status = tracker.AffiliateArchived
	m.want(first.AffiliateFields)

	third := m.create(tracker.AffiliateFields{Name: "Third", IDFromNetwork: "3"})
	m.delete(third.ID) // before anybody was told
	m.delivered()
	m.want(first.AffiliateFields)

	again := m.create(tracker.AffiliateFields{Name: "First", IDFromNetwork: "1"})
	m.delivered()
	m.want(again.AffiliateFields)
}

func TestAnotherID(t *testing.T) {
	m := newMirror(t, nil, nil)
	made := m.create(surfers())
	m.delivered()
	made = m.change(made.ID, func(f *tracker.AffiliateFields) { f.IDFromNetwork = "222" })
	m.delivered()
	m.want(made.AffiliateFields)
	m.change(made.ID, func(f *tracker.AffiliateFields) { f.IDFromNetwork = "" })
	m.delivered()
	m.want()
}

func TestAffiliatesWithoutAnID(t *testing.T) {
	nameless := tracker.AffiliateFields{Name: "Nameless"}
	m := newMirror(t, nil, nil)
	m.create(nameless)
	if failed := m.deliver(); len(failed) != 1 || !errors.Is(failed[0], forward.ErrSkip) {
		t.Fatal(failed)
	}
	m.want()

	m = newMirror(t, nil, func(o *DestinationOptions) { o.AutoID = true })
	made := m.create(nameless)
	m.delivered()
	made.IDFromNetwork = fmt.Sprint(made.ID)
	m.want(made.AffiliateFields)
	m.delete(made.ID)
	m.delivered()
	m.want()
}

// What the platform refuses is dead at once, and says which fields; a name that another has may become free.
func TestRefusedAffiliates(t *testing.T) {
	m := newMirror(t, func(o *Options) { o.CustomData = []string{"other"} }, nil)
	m.create(surfers())
	failed := m.deliver()
	var f *forward.Failure
	if len(failed) != 1 || !errors.As(failed[0], &f) || !f.Permanent || !strings.Contains(f.Error(), "custom_data") || strings.Contains(f.Error(), "Offline") {
		t.Errorf("custom data that the platform has not: %v", failed)
	}
	m.theirs.do("POST", "affiliates.json", `{"name": "Taken", "id_from_network": "1"}`).want(http.StatusCreated)
	m.create(tracker.AffiliateFields{Name: "Taken", IDFromNetwork: "2"})
	if failed = m.deliver(); len(failed) != 1 || errors.As(failed[0], &f) && f.Permanent || !strings.Contains(failed[0].Error(), "name") {
		t.Errorf("a name that another has: %v", failed)
	}
}

func TestTheTokenIsRefused(t *testing.T) {
	m := newMirror(t, nil, nil)
	for name, o := range map[string]DestinationOptions{
		"no key":          {NetworkID: "acme", Token: "nothing"},
		"another network": {NetworkID: "77", Token: m.to.token},
		"reads only":      {NetworkID: "acme", Token: m.theirs.books.NewKey("acme", reads)},
	} {
		o.Endpoint = "http://" + m.to.host
		d, err := NewDestination(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Send(t.Context(), m.client, put()); what(err) != "pause" {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.want()
}

// A test event changes nothing, and shows whether the token is good.
func TestTestEvent(t *testing.T) {
	m := newMirror(t, nil, nil)
	test := tracker.Event{Kind: tracker.EventTest, Subject: "test"}
	if answer, err := m.to.Send(t.Context(), m.client, test); err != nil || answer.Status != http.StatusOK {
		t.Errorf("%+v, %v", answer, err)
	}
	m.want()
	m.to.token = "nothing"
	if answer, err := m.to.Send(t.Context(), m.client, test); err == nil || answer.Status != http.StatusUnauthorized {
		t.Errorf("without a token %+v, %v", answer, err)
	}
}

func TestDestinationOptions(t *testing.T) {
	good := DestinationOptions{NetworkID: "1234", Token: "secret"}
	if d, err := NewDestination(good); err != nil || d.Host() != "invoca.net" || d.affiliates != "https://invoca.net/api/2018-11-01/1234/affiliates" {
		t.Errorf("%+v, %v", d, err)
	}
	for name, o := range map[string]DestinationOptions{
		"endpoint": {Endpoint: "invoca.net", NetworkID: "1", Token: "secret"}, "no network": {Token: "secret"}, "no token": {NetworkID: "1"},
		"path": {NetworkID: "1/../2", Token: "secret"}, "dots": {NetworkID: "..", Token: "secret"},
	} {
		if _, err := NewDestination(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

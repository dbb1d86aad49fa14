package ledgertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var eraseTests = []test{
	{"a visitor with everything that is theirs", testEraseVisitor},
	{"a customer with everything that is theirs", testEraseCustomer},
	{"what is on its way lands blank", testEraseOnTheWay},
	{"money stays and repeats are known", testErasedRepeats},
	{"what was taken back before is gone as well", testErasedAnswers},
	{"what earned nobody anything", testErasedUnearned},
	{"notes, coupons and sub-ids", testErasedNotes},
	{"content that was erased is a repeat", testErasedContent},
	{"what is reported later lands blank", testErasedReports},
	{"records in quarantine", testErasedQuarantine},
	{"nobody, two, and somebody unknown", testEraseNobody},
	{"others learn of it", testErasedPeople},
	{"an export is complete", testExport},
	{"a customer whose sales came first", testErasedBeforeRegistered},
	{"a customer who was never registered", testErasedNeverRegistered},
	{"the session of a customer who was never registered", testErasedSessionOfName},
	{"a report of an erased customer that takes over", testErasedTakesOver},
}

// planted are the texts that tell of a person in their sessions, conversions, customers and transactions.
type planted struct {
	name    string
	visitor tracker.VisitorID
	click   tracker.Touch // their last
	texts   []string

	customer tracker.NewCustomer
	sale     tracker.NewConversion
	notes    tracker.NewConversion // whose answer has a note; of testErasedNotes alone
}

// plant has a person click three times, buy twice, become a customer and move money.
func (s *shop) plant(name string) *planted {
	s.Helper()
	p := &planted{name: name, visitor: tracker.NewVisitorID()}
	text := func(what string) string {
		p.texts = append(p.texts, name+"-"+what)
		return name + "-" + what
	}
	p.texts = append(p.texts, p.visitor.String())
	origin := newOrigin()
	for i, code := range []string{"bob", "ann", "ann"} {
		click := s.click(code)
		r := Record(uint64(i+1), code)
		p.dress(r.Session, click, s.network)
		apply(s.T, s.Ledger, origin, []ledger.Record{r})
		p.click = click
	}
	refused := Record(4, "ann")
	p.dress(refused.Session, s.click("ann"), s.network)
	refused.Session.Time = time.UnixMilli(-1)
	refused.Raw = refused.Session.AppendRecord(nil)
	apply(s.T, s.Ledger, origin, []ledger.Record{refused})
	p.texts = append(p.texts, name+"-ip", name+"-agent", name+"-query", name+"-referrer", name+"-browser", name+"-sub", name+"-gclid")
	p.texts = append(p.texts, name+"-own")

	p.sale = s.sale(name+" order", 1000)
	p.sale.Name, p.sale.MetaData = text("lead"), json.RawMessage(`{"phone":"`+text("phone")+`"}`)
	p.sale.Evidence.Token = s.token(p.click)
	p.sale.Evidence.Token.Visitor = p.visitor
	p.sale.Duplicates = tracker.DuplicateUpdate
	s.report(p.sale)
	later := p.sale
	later.Name, later.Commissions = text("lead again"), nil
	s.report(later)

	p.customer = s.newCustomer(text("customer"))
	p.customer.CustomerFields = tracker.CustomerFields{
		Username: text("username"), Country: text("country"), Category: text("category"), Label: text("label"), Note: text("note"),
	}
	p.customer.Evidence.Token = p.sale.Evidence.Token
	s.addCustomer(p.customer)
	s.addTransaction(s.moneyOf(p, "1", text("movement")))
	return p
}

// dress makes the session one of the person's.
func (p *planted) dress(session *ledger.Session, click tracker.Touch, network string) {
	session.ID, session.Network, session.Time, session.Visitor = click.Session, network, click.Time, p.visitor
	session.IP, session.UserAgent, session.Query, session.Referrer = p.name+"-ip", p.name+"-agent", p.name+"-query", p.name+"-referrer"
	session.Browser, session.OS, session.Device = p.name+"-browser", p.name+"-browser", p.name+"-browser"
	session.SubIDs = map[string]string{"sub1": p.name + "-own", "sub2": p.name + "-sub"}
	session.ClickIDs = map[string]string{"gclid": p.name + "-gclid"}
}

// moneyOf is a transaction of the person's.
func (s *shop) moneyOf(p *planted, id, note string) tracker.NewTransaction {
	n := s.deposit(p.name+" money "+id, 4000, epoch)
	n.CustomerExternalID, n.Note, n.Label, n.Category, n.Country = p.customer.ExternalID, note, note, note, note
	return n
}

// everything is all that the ledger tells of a network, and all that is in quarantine, as JSON.
func (s *shop) everything() string {
	s.Helper()
	var all []any
	for _, one := range sessions(s.T, s.Ledger) {
		all = append(all, one)
	}
	for _, c := range s.list(tracker.ConversionFilter{}, 0) {
		all = append(all, s.stored(c.ID))
	}
	customers, _, err := s.Customers(s.Context(), s.network, tracker.CustomerFilter{}, tracker.Page{Limit: tracker.MaxPage})
	if err != nil {
		s.Fatal(err)
	}
	transactions, _, err := s.Transactions(s.Context(), s.network, tracker.TransactionFilter{}, tracker.Page{Limit: tracker.MaxPage})
	if err != nil {
		s.Fatal(err)
	}
	origins, err := s.Origins(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, o := range origins {
		for _, q := range quarantine(s.T, s.Ledger, o.Name) {
			all = append(all, q, string(q.Raw))
		}
	}
	text, err := json.Marshal(append(all, customers, transactions, s.reportBy(tracker.BySub1)))
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

// wantGone checks that the texts are nowhere in what the ledger tells, and those of others all there.
func (s *shop) wantGone(everything string, gone *planted, others ...*planted) {
	s.Helper()
	for _, text := range gone.texts {
		if strings.Contains(everything, text) {
			s.Errorf("%q is still there", text)
		}
	}
	for _, p := range others {
		for _, text := range p.texts {
			if !strings.Contains(everything, text) {
				s.Errorf("%q is gone", text)
			}
		}
	}
}

// wholly is what an erasure takes of a person whom plant has planted.
var wholly = tracker.Erasure{Sessions: 3, Conversions: 1, Customers: 1, Transactions: 1}

func (s *shop) wantErased(subject tracker.Subject, want tracker.Erasure) {
	s.Helper()
	if got, err := s.Erase(s.Context(), s.network, subject); err != nil || got != want {
		s.Errorf("erased %+v, %v, want %+v", got, err, want)
	}
}

func testEraseVisitor(t *testing.T, db Database) {
	s := newShop(t, db)
	jane, john := s.plant("jane"), s.plant("john")
	s.wantGone(s.everything(), &planted{}, jane, john)
	before := s.reportBy(tracker.ByDay, tracker.ByLink)

	acme := s.in(t, "acme")
	acme.wantErased(tracker.Subject{Visitor: jane.visitor}, tracker.Erasure{}) // another network's visitor
	s.wantErased(tracker.Subject{Visitor: jane.visitor}, wholly)
	s.wantGone(s.everything(), jane, john)
	s.wantErased(tracker.Subject{Visitor: jane.visitor}, tracker.Erasure{})
	if after := s.reportBy(tracker.ByDay, tracker.ByLink); !slices.Equal(after, before) {
		t.Errorf("the reports say\n%+v, before\n%+v", after, before)
	}
	found := must(s.FindSession(t.Context(), s.network, jane.click.Session))(s)
	if found.Code != "ann" || found.Host == "" || found.Class != tracker.ClassHuman || !found.Visitor.IsZero() {
		t.Errorf("of the session there is %+v", found)
	}
	s.wantBalanced()
}

func testEraseCustomer(t *testing.T, db Database) {
	s := newShop(t, db)
	jane, john := s.plant("jane"), s.plant("john")
	id := must(s.CustomerByExternalID(t.Context(), s.network, jane.customer.ExternalID, "shoes"))(s).ID
	// A customer whose session has no visitor, as without consent, and who bought by name.
	silent := s.click("ann")
	r := Record(1, "ann")
	jane.dress(r.Session, silent, s.network)
	r.Session.Visitor = tracker.VisitorID{}
	apply(t, s.Ledger, newOrigin(), []ledger.Record{r})
	n := s.newCustomer("quiet-one")
	n.Evidence = tracker.Evidence{Session: silent.Session}
	quiet := s.addCustomer(n)
	sale := s.sale("quiet order", 500)
	sale.Name, sale.Evidence = "quiet-lead", tracker.Evidence{CustomerID: quiet.ID}
	s.report(sale)

	s.wantErased(tracker.Subject{CustomerID: quiet.ID}, tracker.Erasure{Sessions: 1, Conversions: 1, Customers: 1})
	s.wantErased(tracker.Subject{CustomerID: id}, wholly)
	everything := s.everything()
	s.wantGone(everything, jane, john)
	s.wantGone(everything, &planted{texts: []string{"quiet-one", "quiet-lead"}}, john)
	s.wantErased(tracker.Subject{CustomerID: id}, tracker.Erasure{})
	s.wantBalanced()
}

// testEraseOnTheWay erases a visitor before some of their records come.
func testEraseOnTheWay(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	jane, john := s.plant("jane"), s.plant("john")
	s.wantErased(tracker.Subject{Visitor: jane.visitor}, wholly)

	var batch []ledger.Record
	for i, p := range []*planted{jane, john, jane} {
		r := Record(uint64(i+1), "ann")
		p.dress(r.Session, s.click("ann"), s.network)
		r.Raw = r.Session.AppendRecord(nil)
		batch = append(batch, r)
	}
	batch[2].Session.Time = time.UnixMilli(-1) // it goes to quarantine
	for i, p := range []*planted{jane, john} {
		r := s.edgeRecord(uint64(i+4), p.name+" late", p.click)
		r.Conversion.Name, r.Conversion.Evidence.Cookie.Visitor = p.name+"-lead", p.visitor
		batch = append(batch, r)
	}
	wantApplied(t, s.Ledger, origin, batch, ledger.Applied{Cursor: 5, Sessions: 2, Conversions: 2, Quarantined: 1})
	s.wantGone(s.everything(), jane, john)
	repeat := []ledger.Record{batch[3]}
	repeat[0].Seq = 6
	wantApplied(t, s.Ledger, origin, repeat, ledger.Applied{Cursor: 6, Replayed: 1})
	s.wantGone(s.everything(), jane, john)
	if c := s.stored(batch[3].Conversion.ID); c.Amount != 1000 || c.Wage != 100 || len(c.History) != 1 {
		t.Errorf("the late conversion is %+v", c)
	}
	s.wantBalanced()
}

// testEraseWhileApplying erases visitors while two hubs apply their sessions, some of origins that are new. When all is done
// nobody who was erased is left.
func testEraseWhileApplying(t *testing.T, db Database) {
	s := newShop(t, db)
	hubs := []*shop{s, s.also(db)}
	const rounds = 40
	people := make([]*planted, rounds)
	for i := range people {
		people[i] = &planted{name: fmt.Sprintf("p%d", i), visitor: tracker.NewVisitorID()}
		people[i].texts = []string{people[i].visitor.String(), people[i].name + "-ip,", people[i].name + "-agent"}
	}
	var working sync.WaitGroup
	for h, hub := range hubs {
		working.Go(func() {
			origin, seq := newOrigin(), uint64(0)
			for i, p := range people {
				if i%3 == 0 {
					origin, seq = newOrigin(), 0
				}
				batch := make([]ledger.Record, 5)
				for j := range batch {
					seq++
					batch[j] = Record(seq, []string{"ann", "bob"}[j%2])
					p.dress(batch[j].Session, hub.click("ann"), hub.network)
				}
				if done, err := hub.Apply(t.Context(), origin, batch); err != nil || done.Sessions != 5 {
					t.Errorf("hub %d: %+v, %v", h, done, err)
				}
			}
		})
	}
	working.Go(func() {
		for _, p := range people {
			if _, err := s.Erase(t.Context(), s.network, tracker.Subject{Visitor: p.visitor}); err != nil {
				t.Error(err)
			}
		}
	})
	working.Wait()
	for _, one := range sessions(t, s.Ledger) {
		if !one.Visitor.IsZero() || one.IP != "" || one.UserAgent != "" {
			t.Fatalf("there is a session of %q with %q and %q", one.Visitor, one.IP, one.UserAgent)
		}
	}
	if got := s.clicks(""); got.Clicks != 2*rounds*5 {
		t.Errorf("%d clicks were counted, want %d", got.Clicks, 2*rounds*5)
	}
}

func testErasedRepeats(t *testing.T, db Database) {
	s := newShop(t, db)
	jane := s.plant("jane")
	id := must(s.CustomerByExternalID(t.Context(), s.network, jane.customer.ExternalID, "shoes"))(s).ID
	s.wantErased(tracker.Subject{CustomerID: id}, wholly)

	answer, replayed, err := s.CreateConversion(t.Context(), jane.sale)
	c := decode[tracker.Conversion](s, answer)
	if err != nil || !replayed || c.Amount != 1000 || c.Name != "" || c.MetaData != nil || c.VisitorID != "" || len(c.History) != 1 {
		t.Errorf("the sale repeated: replayed %t, %v, %s", replayed, err, answer)
	}
	again, _, err := s.CreateConversion(t.Context(), jane.sale)
	if err != nil || !bytes.Equal(again, answer) {
		t.Errorf("and again: %v, %s", err, again)
	}
	for _, note := range []string{jane.customer.Note, "other content"} {
		n := jane.customer
		n.Note = note
		answer, replayed, err = s.CreateCustomer(t.Context(), n)
		got := decode[tracker.Customer](s, answer)
		if err != nil || !replayed || got.ID != id || got.Affiliate != "Ann" {
			t.Errorf("the customer repeated: replayed %t, %v, %s", replayed, err, answer)
		}
		for _, text := range jane.texts {
			if strings.Contains(string(answer), text) {
				t.Errorf("the answer says %q", text)
			}
		}
	}
	found := must(s.CustomerByExternalID(t.Context(), s.network, jane.customer.ExternalID, "shoes"))(s)
	if found.ID != id || !strings.HasPrefix(found.ExternalID, "erased:") || found.Sums[0].Deposits != 4000 {
		t.Errorf("by the merchant's id there is %+v", found)
	}
	list, _, err := s.Customers(t.Context(), s.network,
		tracker.CustomerFilter{ExternalID: jane.customer.ExternalID, Brand: "shoes"}, tracker.Page{})
	if err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], found) {
		t.Errorf("by the filter there is %+v, %v", list, err)
	}
	answer, replayed, err = s.AddTransaction(t.Context(), s.moneyOf(jane, "1", "jane-movement"))
	if tx := decode[tracker.Transaction](s, answer); err != nil || !replayed || tx.Deposit != 4000 || tx.Note != "" {
		t.Errorf("the transaction repeated: replayed %t, %v, %s", replayed, err, answer)
	}
	if tx := s.addTransaction(s.moneyOf(jane, "2", "")); tx.CustomerID != id {
		t.Errorf("one more is of customer %s", tx.CustomerID)
	}
	hats := jane.customer
	hats.Brand = "hats"
	if other := s.addCustomer(hats); other.ID == id {
		t.Error("the customer of another brand is the one who was erased")
	}
	s.wantBalanced()
}

func testEraseNobody(t *testing.T, db Database) {
	s := newShop(t, db)
	c := s.addCustomer(s.newCustomer("c-1"))
	var invalid tracker.Invalid
	for _, subject := range []tracker.Subject{{}, {Visitor: tracker.NewVisitorID(), CustomerID: c.ID}} {
		if _, err := s.Erase(t.Context(), s.network, subject); !errors.As(err, &invalid) {
			t.Errorf("erasing %+v: %v", subject, err)
		}
		err := s.Export(t.Context(), s.network, subject, func(string, any) error { return nil })
		if !errors.As(err, &invalid) {
			t.Errorf("exporting %+v: %v", subject, err)
		}
	}
	for _, id := range []string{"1", tracker.NewSessionID(epoch).String()} {
		if _, err := s.Erase(t.Context(), s.network, tracker.Subject{CustomerID: id}); !errors.Is(err, tracker.ErrNotFound) {
			t.Errorf("erasing customer %s: %v", id, err)
		}
	}
	s.wantErased(tracker.Subject{Visitor: tracker.NewVisitorID()}, tracker.Erasure{})
}

func testExport(t *testing.T, db Database) {
	s, random := newShop(t, db), rand.New(rand.NewPCG(7, 8))
	jane, john := s.plant("jane"), s.plant("john")
	many := make([]ledger.Record, 600) // more than a page
	for i := range many {
		many[i] = Record(uint64(i+1), "ann")
		jane.dress(many[i].Session, s.click("ann"), s.network)
		many[i].Session.Time = epoch.Add(time.Duration(random.IntN(1000)) * time.Second)
	}
	apply(t, s.Ledger, newOrigin(), many)
	customer := must(s.CustomerByExternalID(t.Context(), s.network, jane.customer.ExternalID, "shoes"))(s)
	for _, subject := range []tracker.Subject{{Visitor: jane.visitor}, {CustomerID: customer.ID}} {
		counts := map[string]int{}
		var all []any
		err := s.Export(t.Context(), s.network, subject, func(kind string, object any) error {
			counts[kind]++
			all = append(all, object)
			return nil
		})
		want := map[string]int{ledger.KindSession: 603, ledger.KindConversion: 1, ledger.KindCustomer: 1, ledger.KindTransaction: 1}
		if err != nil || !reflect.DeepEqual(counts, want) {
			t.Errorf("exported were %v, %v, want %v", counts, err, want)
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		s.wantGone(string(text), john)
		for _, c := range all {
			if c, is := c.(tracker.Conversion); is && len(c.History) != 2 {
				t.Errorf("the conversion's history is %+v", c.History)
			}
		}
	}
	enough, calls := errors.New("enough"), 0
	err := s.Export(t.Context(), s.network, tracker.Subject{Visitor: jane.visitor}, func(string, any) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

package ledgertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var conversionListTests = []test{
	{"every filter, in pages, newest first", testConversionList},
	{"every filter where many rows pass each", testLongConversionList},
	{"cursors of others", testConversionCursor},
}

// testConversionList compares each filter, and mixtures, with what it says of all conversions one by one.
func testConversionList(t *testing.T, db Database) {
	s := newShop(t, db)
	s.populate(120)
	all := s.list(tracker.ConversionFilter{}, 7)
	if len(all) != 120 || !slices.IsSortedFunc(all, newestConversion) {
		t.Fatalf("%d conversions, sorted %t", len(all), slices.IsSortedFunc(all, newestConversion))
	}
	if matched := s.wantFiltered(all, 300, 12); matched < 1000 {
		t.Errorf("the filters matched only %d in all", matched)
	}
	for _, f := range []tracker.ConversionFilter{
		{ExternalID: "nobody"}, {ExternalID: "a\x00b"}, {Source: "\xff"}, {Status: "?"}, {SessionID: "x"}, {VisitorID: "x"}, {CustomerID: "x"},
	} {
		if rows := s.list(f, 0); len(rows) != 0 {
			t.Errorf("%+v lists %d", f, len(rows))
		}
	}
}

// testLongConversionList has so many conversions that lists are read in other ways, on deep pages and where hardly any matches too.
func testLongConversionList(t *testing.T, db Database) {
	s := newShop(t, db)
	random := rand.New(rand.NewPCG(5, 6))
	tokens := []*tracker.Token{s.token(s.click("ann")), s.token(s.click("bob"))}
	origin := newOrigin()
	const sale, dear = 1000, 2500 // the oldest so many cost at least as much as the others cost at most
	for seq := uint64(1); seq <= 8000; {
		var records []ledger.Record
		for range 1000 {
			n := s.sale(fmt.Sprintf("order-%d", seq), random.Int64N(sale))
			if seq <= dear {
				n.Amount += sale
			}
			n.Status = []tracker.ConversionStatus{tracker.StatusPending, tracker.StatusApproved}[random.IntN(2)]
			n.Evidence.Token = tokens[random.IntN(8)/7]
			n.OccurredAt = s.clock().Add(-time.Duration(random.IntN(1000)) * time.Second)
			records = append(records, ledger.Record{Seq: seq, Conversion: &n})
			seq++
		}
		s.pass(time.Second)
		apply(t, s.Ledger, origin, records)
	}
	all := s.list(tracker.ConversionFilter{}, 500)
	s.wantFiltered(all, 30, 500)
	low, middle := int64(sale), all[len(all)-4500]
	for _, f := range []tracker.ConversionFilter{
		{MinAmount: &low}, {MinAmount: &low, Type: middle.Type}, {MinAmount: &low, MaxOccurred: middle.CreatedAt},
		{AffiliateID: all[0].AffiliateID, Status: tracker.StatusApproved, MaxOccurred: middle.OccurredAt},
		{MinAmount: &low, MinCreated: middle.CreatedAt}, {MinAmount: &low, Status: tracker.StatusDuplicated},
	} {
		s.wantList(all, f, 499)
	}
}

// wantFiltered compares so many lists, in pages of up to that size, with what the filters say of all conversions one by one,
// and returns how many matched.
func (s *shop) wantFiltered(all []tracker.Conversion, lists, size int) (matched int) {
	s.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range lists {
		var f tracker.ConversionFilter
		for range 1 + i%3 {
			one := conversionFilters[(i/3+random.IntN(2)*random.IntN(len(conversionFilters)))%len(conversionFilters)]
			one(&f, all[random.IntN(len(all))])
		}
		matched += s.wantList(all, f, 1+size/2+random.IntN(size/2))
	}
	return matched
}

// wantList compares a list, in pages of that size, with what the filter says of all conversions one by one, and returns how many
// matched.
func (s *shop) wantList(all []tracker.Conversion, f tracker.ConversionFilter, size int) int {
	s.Helper()
	var want, got []string
	for _, c := range all {
		if matches(f, c) {
			want = append(want, c.ID)
		}
	}
	for _, c := range s.list(f, size) {
		got = append(got, c.ID)
	}
	if !slices.Equal(got, want) {
		s.Errorf("%+v lists %d, want %d", f, len(got), len(want))
	}
	return len(want)
}

func newestConversion(a, b tracker.Conversion) int {
	if by := b.CreatedAt.Compare(a.CreatedAt); by != 0 {
		return by
	}
	return slices.Compare([]byte(b.ID), []byte(a.ID))
}

// populate makes n conversions of all kinds, several of each millisecond.
func (s *shop) populate(n int) {
	s.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	click := s.click("ann")
	for i := range n {
		if i%5 == 0 {
			s.pass(time.Second)
		}
		c := s.sale(fmt.Sprintf("order-%d", i/3), int64(random.IntN(20))*100)
		c.Type = []tracker.ConversionType{tracker.TypeBuy, tracker.TypeSale, tracker.TypeLead}[i%3]
		c.Source = []string{tracker.SourceAPI, tracker.SourcePixel}[i%2]
		c.OccurredAt = s.clock().Add(-time.Duration(random.IntN(100)) * time.Minute)
		switch i % 4 {
		case 0:
			c.Evidence.Token = s.token(s.click("bob"))
		case 1:
			c.Evidence.Token = s.token(click)
			c.OccurredAt = s.clock()
		case 2:
			c.Evidence = tracker.Evidence{}
		}
		if i%7 == 0 {
			c.Currency = "USD"
		}
		made := s.report(c)
		switch random.IntN(4) {
		case 0:
			s.set(made.ID, tracker.StatusRejected)
		case 1:
			s.pay(made.ID)
		}
		if i%8 == 0 {
			must(s.ReverseConversion(s.Context(), s.network, made.ID, "", ""))(s)
		}
	}
}

// conversionFilters set one field of the filter, so that it selects the conversion.
var conversionFilters = []func(f *tracker.ConversionFilter, c tracker.Conversion){
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.Status = c.Status },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.ExternalID = c.ExternalID },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.IsClosed = &c.IsClosed },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.CheckedOut = &c.CheckedOut },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.IsReversed = &c.IsReversed },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.Currency = c.Currency },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MinCommissionAmount = &c.Amount },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MaxCommissionAmount = &c.Amount },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MinCreated = c.CreatedAt },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MaxCreated = c.CreatedAt },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MinUpdated = c.UpdatedAt },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MaxUpdated = c.UpdatedAt },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MinAmount = &c.Amount },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MaxAmount = &c.Amount },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MinWage = &c.Wage },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MaxWage = &c.Wage },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.Type = c.Type },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.Source = c.Source },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.AffiliateID = c.AffiliateID },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.CampaignID = c.CampaignID },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.LinkID = c.LinkID },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.SessionID = c.SessionID },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.VisitorID = c.VisitorID },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.CustomerID = c.CustomerID },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MinOccurred = c.OccurredAt },
	func(f *tracker.ConversionFilter, c tracker.Conversion) { f.MaxOccurred = c.OccurredAt },
}

// matches is the meaning of the filter.
func matches(f tracker.ConversionFilter, c tracker.Conversion) bool {
	return is(f.Status, c.Status) && is(f.ExternalID, c.ExternalID) && is(f.Type, c.Type) && is(f.Source, c.Source) &&
		is(f.AffiliateID, c.AffiliateID) && is(f.CampaignID, c.CampaignID) && is(f.LinkID, c.LinkID) &&
		is(f.SessionID, c.SessionID) && is(f.VisitorID, c.VisitorID) && is(f.CustomerID, c.CustomerID) &&
		is(f.Currency, c.Currency) && (f.IsReversed == nil || *f.IsReversed == c.IsReversed) &&
		(f.IsClosed == nil || *f.IsClosed == c.IsClosed) && (f.CheckedOut == nil || *f.CheckedOut == c.CheckedOut) &&
		within(f.MinCommissionAmount, f.MaxCommissionAmount, c.Amount) && within(f.MinAmount, f.MaxAmount, c.Amount) &&
		within(f.MinWage, f.MaxWage, c.Wage) && during(f.MinCreated, f.MaxCreated, c.CreatedAt) &&
		during(f.MinUpdated, f.MaxUpdated, c.UpdatedAt) && during(f.MinOccurred, f.MaxOccurred, c.OccurredAt)
}

func is[T comparable](want, got T) bool {
	var zero T
	return want == zero || want == got
}

func within(low, high *int64, v int64) bool {
	return (low == nil || v >= *low) && (high == nil || v <= *high)
}

func during(low, high, t time.Time) bool {
	return (low.IsZero() || !t.Before(low)) && (high.IsZero() || !t.After(high))
}

func testConversionCursor(t *testing.T, db Database) {
	s := newShop(t, db)
	s.populate(10)
	for _, after := range []string{"x", "_", "MTIz", tracker.EncodeCursor(1, "a") + "A"} {
		if _, _, err := s.Conversions(t.Context(), s.network, tracker.ConversionFilter{}, tracker.Page{After: after}); !errors.Is(err, tracker.ErrCursor) {
			t.Errorf("after %q: %v", after, err)
		}
	}
	// A page goes on where it ended, whatever was reported meanwhile.
	first, next, err := s.Conversions(t.Context(), s.network, tracker.ConversionFilter{}, tracker.Page{Limit: 4})
	if err != nil || len(first) != 4 || next == "" {
		t.Fatalf("%d rows, %v", len(first), err)
	}
	s.pass(time.Second)
	s.report(s.sale("later", 1))
	rest, _, err := s.Conversions(t.Context(), s.network, tracker.ConversionFilter{}, tracker.Page{After: next})
	if err != nil || len(rest) != 6 || newestConversion(first[3], rest[0]) >= 0 {
		t.Errorf("%d rows follow, %v", len(rest), err)
	}
}

package affili

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Amounts are in the major unit of the network's currency.
func TestCurrencies(t *testing.T) {
	for currency, c := range map[string]struct {
		given, shown, wage string
		minor              int64
	}{
		"IRR": {"10000", "10000", "2000", 10000},
		"EUR": {"99.95", "99.95", "19.99", 9995},
		"USD": {"100", "100", "20", 10000},
		"KWD": {"1.5", "1.5", "0.3", 1500},
	} {
		s := newShop(t, func(o *Options) { o.Currency = currency })
		_, token := s.edgeClick(network)
		got := data[Conversion](s.do("POST", "conversions", fmt.Sprintf(
			`{"type":"buy","external_id":"1","amount":%s,"token":%q,"commissions":[{"name":"x","sub_amount":"%[1]s"}]}`, c.given, token)))
		if got.Amount != json.Number(c.shown) || got.Wage != json.Number(c.wage) || got.Commissions[0].SubAmount != got.Amount || got.Currency != "" {
			t.Errorf("%s: %+v", currency, got)
		}
		if booked := s.booked(network)[0]; booked.Amount != c.minor || booked.Currency != currency {
			t.Errorf("booked %+v", booked)
		}
		if list := data[[]Conversion](s.do("GET", "conversions?min_amount="+c.given+"&max_amount="+c.given, "")); len(list) != 1 {
			t.Errorf("%s: the filter selects %d", currency, len(list))
		}
	}
}

// A conversion that came another way is listed too, and keeps the id that it gets.
func TestConversionsOfOtherWays(t *testing.T) {
	s := newShop(t, func(o *Options) {
		o.Calendar, o.Zone, o.Types = Gregorian, time.UTC, map[tracker.ConversionType]int{tracker.TypeLead: 3}
	})
	_, _, err := s.books.CreateConversion(t.Context(), tracker.NewConversion{
		Network: network, ExternalID: "native", Type: tracker.TypeLead, Amount: 1234, Currency: "EUR",
	})
	if err != nil {
		t.Fatal(err)
	}
	list := data[[]Conversion](s.do("GET", "conversions", ""))
	if len(list) != 1 || list[0].Currency != "EUR" || list[0].Amount != "12.34" || list[0].CreatedAt != "2020-04-05 08:16:38" ||
		list[0].Type != 3.0 || len(list[0].ID) < 5 || strings.Contains(list[0].ID, "-") {
		t.Fatalf("the list is %+v", list)
	}
	for range 2 {
		if again := data[Conversion](s.do("GET", "conversions/"+list[0].ID, "")); again.ID != list[0].ID || again.ExternalID != "native" {
			t.Errorf("it is %+v", again)
		}
	}
	got := data[Conversion](s.do("POST", "conversions/"+list[0].ID, `{"amount":"20.5","commissions":[{"name":"default","sub_amount":20.50}],"type":3}`))
	if got.Amount != "20.5" || got.Currency != "EUR" {
		t.Errorf("changed, it is %+v", got)
	}
}

func TestBrowserNames(t *testing.T) {
	for browser, want := range map[string]string{
		"Chrome 142": "Chrome", "Mobile Safari 17": "Mobile Safari", "Other": "Other", "": "", "Opera Mini": "Opera Mini", " 5": " 5", "X ": "X ",
	} {
		if got := browserName(browser); got != want {
			t.Errorf("%q is %q", browser, got)
		}
	}
}

package affili

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Whatever a body holds, what is read of it without a complaint is what the books take, and no message repeats a value.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"external_id":"12345","amount":"10000","token":"eyJpdiI6","aff_id":"a","referrer":"b","commissions":[{"name":"buy","sub_amount":"10000"}],"type":"buy"}`,
		`{"meta_data":null,"coupon":null,"products":null,"type":"sale","aff_id":"a","referrer":"b","token":false,"account_id":"1","order_id":"7","amount":99.5}`,
		`{"meta_data":{"a":[1,{}]},"type":"lead","name":"signup","token":true}`, `{"type":6,"amount":1e9,"commissions":[{}]}`,
		`{"type":"click","external_id":12,"external_id":13}`, `{"commissions":{"name":1}}`, `[`, `{"a":{"a":{"a":`, "\xff", `{"status":"3"}`,
	} {
		f.Add(seed, "application/json", false, false)
	}
	s := &server{Options: Options{}.withDefaults()}
	f.Fuzz(func(t *testing.T, text, contentType string, strict, second bool) {
		b, err := parseBody([]byte(text), contentType, strict)
		if err != nil {
			return
		}
		if platform.TooDeep([]byte(text)) || !json.Valid([]byte(text)) || !utf8.ValidString(text) {
			t.Fatalf("%q is taken", text)
		}
		v := version1
		if second {
			v = version2
		}
		b.requireWho()
		n := s.newConversion(b, v)
		n.Network, n.Source = network, tracker.SourceAffili
		if n.ExternalID == "" {
			n.ExternalID = unnamed(&n, time.Unix(1e9, 0))
		}
		b.status(tracker.StatusPending)
		for _, w := range b.wrong {
			if w.Field == "" || w.Message == "" || !utf8.ValidString(w.Message) {
				t.Errorf("%q: %+v", text, w)
			}
		}
		if b.wrong != nil {
			return
		}
		if n.Amount < 0 || n.Amount > tracker.MaxAmount || n.Type == "" || n.Duplicates != tracker.DuplicateMark {
			t.Errorf("%q is read as %+v", text, n)
		}
		for _, w := range check(n) { // what only the books know
			switch field, _, _ := strings.Cut(w.Field, "["); field {
			case "external_id", "name", "coupon", "meta_data", "commissions":
			default:
				t.Errorf("%q: %s", text, w)
			}
		}
	})
}

// Whatever a query holds, what is read of it without a complaint is a filter that was asked for.
func FuzzFilters(f *testing.F) {
	for _, seed := range []string{
		"status=1&external_id=1234&is_closed=1&checked_out=0&min_amount=1&max_amount=2&min_wage=3&max_wage=4",
		"min_created_at=2020-04-05+12:46:38&max_created_at=2020-04-05&min_updated_at=2020-04-05T12:46:38%2B03:30&max_updated_at=1399-01-17",
		"min_commission_amount=&max_commission_amount=1.5&limit=1&after=x", "a=b&a=c", "%zz", "status=%31", "max_created_at=9999-12-31",
	} {
		f.Add(seed, false)
	}
	s := &server{Options: Options{}.withDefaults()}
	f.Fuzz(func(t *testing.T, query string, strict bool) {
		s.Strict = strict
		filter, part, err := s.parseFilters(query)
		if err != nil {
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil || part.Limit < 1 || part.Limit > tracker.MaxPage || part.After != values.Get("after") {
			t.Fatalf("%q is read as %+v", query, part)
		}
		given := map[string]bool{
			"status": filter.Status != "", "external_id": filter.ExternalID != "",
			"is_closed": filter.IsClosed != nil, "checked_out": filter.CheckedOut != nil,
			"min_commission_amount": filter.MinCommissionAmount != nil, "max_commission_amount": filter.MaxCommissionAmount != nil,
			"min_created_at": !filter.MinCreated.IsZero(), "max_created_at": !filter.MaxCreated.IsZero(),
			"min_updated_at": !filter.MinUpdated.IsZero(), "max_updated_at": !filter.MaxUpdated.IsZero(),
			"min_amount": filter.MinAmount != nil, "max_amount": filter.MaxAmount != nil,
			"min_wage": filter.MinWage != nil, "max_wage": filter.MaxWage != nil,
		}
		for name, is := range given {
			if is != (values.Get(name) != "") {
				t.Errorf("%q: the filter %s is read as %t", query, name, is)
			}
		}
		if !filter.MaxCreated.IsZero() && filter.MaxCreated.Nanosecond() != 999e6 {
			t.Errorf("%q ends at %s", query, filter.MaxCreated)
		}
	})
}

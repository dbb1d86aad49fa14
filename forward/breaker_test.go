package forward

import "testing"

// However its host is written, an endpoint has one breaker.
func TestOneBreakerForAnEndpoint(t *testing.T) {
	one := breakers.of("API.example.com")
	for _, host := range []string{"api.example.com:443", "api.example.com.", "api.example.com.:443", "Api.Example.Com:80"} {
		if breakers.of(host) != one {
			t.Errorf("%s has its own", host)
		}
	}
	for _, host := range []string{"api.example.com:8443", "www.example.com", "[2001:db8::1]"} {
		if breakers.of(host) == one {
			t.Errorf("%s has the one of api.example.com", host)
		}
	}
	if breakers.of("[2001:DB8::1]:443") != breakers.of("[2001:db8::1]") {
		t.Error("an address has two")
	}
}

// Two destinations on one host share its breaker: what one finds out the other need not.
func TestDestinationsOnOneHostShareABreaker(t *testing.T) {
	onDesk(t, func(d *desk) {
		first, second := NewDeliverer(d.outlet, d.books, d.logger()), NewDeliverer(d.outlet, d.books, d.logger())
		d.answer = func(sent) error { return errBroken }
		d.happen(20)
		first.step(d.Context())
		tried := len(d.sent)
		if !LeftAlone("shared.example:443") || second.step(d.Context()) != awayWait || len(d.sent) != tried {
			d.Errorf("after %d failures of the one the other made %d attempts", tried, len(d.sent)-tried)
		}
	}, func(o *Outlet) { o.To = sharing{o.To} })
}

// sharing is a destination on a host of its own.
type sharing struct{ Destination }

func (sharing) Host() string { return "shared.example" }

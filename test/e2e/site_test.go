// Package e2e holds the tests that walk a person's way: a click, the next page, the command line, a restart.
package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// site answers every page with the session that its request belongs to.
const site = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
		link demo "Demo Partner"
	}
}

:{$HTTP_PORT} {
	affiliate
	header ` + load.SessionHeader + ` {affiliate.session_id}
	respond "hello from {affiliate.affiliate}"
}
`

// clicks is a load of 1,000 clicks a second, each by a visitor of its own.
func clicks(p *caddy.Process) load.Load { return load.Load{URL: p.URL + "/?via=demo", Rate: 1000} }

// browser is one visitor: it keeps its cookies and follows no redirect.
type browser struct {
	t      testing.TB
	client http.Client
}

func newBrowser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

// page is what a browser got.
type page struct {
	*http.Response
	body string
}

// session is the session that the page was served for, empty if none.
func (p page) session() string { return p.Header.Get(load.SessionHeader) }

// open navigates to the address.
func (b *browser) open(address string) page {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	load.AsBrowser(req.Header)
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{resp, string(body)}
}

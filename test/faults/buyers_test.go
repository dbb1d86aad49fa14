package faults

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// till is a page like the other, whose answers under /sale are sales: each of the order that its query names.
const till = `http://:{$HTTP_PORT} {
	affiliate {
		conversion header
	}
	header /sale Affiliate-Conversion "buy;external_id=\"{query.order}\";amount=1.00;currency=\"EUR\""
	header ` + load.SessionHeader + ` {affiliate.session_id}
	respond "hello"
}
`

// selling is with, for the page that sells, on a disk of any speed.
func selling(lines ...string) string {
	lines = append(lines, "journal ./affiliate {\nmax_wait 10s\n}")
	return strings.Replace(with(lines...), page, till, 1)
}

// buyers load /sale, each with the cookie of one visitor and an order of its own each time. Who gets no answer loads the
// page again, with the same order, until it is answered.
type buyers struct {
	site, cookie, name string
	client             http.Client
	next               atomic.Int64
	stopped            chan struct{}
	running            sync.WaitGroup

	mu       sync.Mutex
	answered []string // orders whose page was answered 200, wholly
	reloads  int      // times that a page was loaded again
	wrong    error    // an answer that is none of the page's
}

// buy begins with that many buyers. Their orders begin with the name.
func buy(t *testing.T, p *caddy.Process, name string, number int) *buyers {
	t.Helper()
	clicking := clicks(p).Start()
	await(t, "a token", func() bool { return clicking.Tokens() > 0 })
	tokens := clicking.Stop().Tokens
	b := &buyers{
		site: p.URL, cookie: "aff=" + tokens[0].Cookie, name: name, stopped: make(chan struct{}),
		client: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: number}},
	}
	for range number {
		b.running.Go(b.work)
	}
	t.Cleanup(func() { b.stop() })
	return b
}

// work buys every ten milliseconds.
func (b *buyers) work() {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for {
		order := fmt.Sprintf("%s-%d", b.name, b.next.Add(1))
		for answered := false; !answered; {
			select {
			case <-b.stopped:
				return
			case <-pace.C:
				answered = b.load(order)
			}
		}
	}
}

// load loads the page once.
func (b *buyers) load(order string) (answered bool) {
	r, err := http.NewRequest(http.MethodGet, b.site+"/sale?order="+order, nil)
	if err != nil {
		panic(err)
	}
	load.AsBrowser(r.Header)
	r.Header.Set("Cookie", b.cookie)
	status, body := 0, []byte(nil)
	resp, err := b.client.Do(r)
	if err == nil {
		status = resp.StatusCode
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil:
		b.reloads++
		return false
	case status != http.StatusOK || string(body) != "hello" || resp.Header.Get("Affiliate-Conversion") != "":
		b.wrong = fmt.Errorf("order %s is answered %d %q with %v", order, status, body, resp.Header)
	}
	b.answered = append(b.answered, order)
	return true
}

// count returns how many orders were answered so far.
func (b *buyers) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.answered)
}

// more returns when that many more orders were answered.
func (b *buyers) more(t *testing.T, orders int) {
	t.Helper()
	due := b.count() + orders
	await(t, fmt.Sprintf("%d more orders", orders), func() bool { return b.count() >= due })
}

// stop ends the buying, when the pages under way have ended, and returns the orders that were answered.
func (b *buyers) stop() []string {
	select {
	case <-b.stopped:
	default:
		close(b.stopped)
	}
	b.running.Wait()
	b.client.CloseIdleConnections()
	return b.answered
}

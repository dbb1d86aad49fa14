// Package load clicks: an open-loop driver that keeps every token a client received.
package load

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// SessionHeader is the response header in which the driven site says which session it recorded. Its Caddyfile has
//
//	header Session-Id {affiliate.session_id}
const SessionHeader = "Session-Id"

// Load says what to ask for and how often. Requests are due at fixed times whatever becomes of those before them (open
// loop), and latency counts from then: a server that stalls is charged for all it kept waiting.
type Load struct {
	URL         string        // what each request asks for; without ?via= or the like the requests are no clicks
	Rate        int           // requests per second
	Connections int           // keepalive connections, and so the most requests at once; default 64
	Timeout     time.Duration // of one request; default 10 s
	Cookie      string        // name of the token's cookie; default aff
	Header      http.Header   // what to send beside a browser's headers
	Repeats     int           // how often a request without any answer is sent again, each time on a new connection, as browsers do
}

// Run is a load under way.
type Run struct {
	load    Load
	client  *http.Client
	fresh   *http.Client // opens a connection for each request
	due     chan time.Time
	stop    context.CancelFunc
	stopped context.Context
	workers sync.WaitGroup

	mu     sync.Mutex
	result Result
}

// Start begins the load in the background.
func (l Load) Start() *Run {
	if l.Connections == 0 {
		l.Connections = 64
	}
	if l.Timeout == 0 {
		l.Timeout = 10 * time.Second
	}
	if l.Cookie == "" {
		l.Cookie = "aff"
	}
	r := &Run{load: l, client: l.client(), fresh: l.client(), due: make(chan time.Time, 10*l.Rate)}
	r.fresh.Transport.(*http.Transport).DisableKeepAlives = true
	r.result.Statuses = map[int]int{}
	r.stopped, r.stop = context.WithCancel(context.Background())
	r.workers.Go(r.schedule)
	for range l.Connections {
		r.workers.Go(r.work)
	}
	return r
}

// For runs the load for that long.
func (l Load) For(d time.Duration) *Result {
	r := l.Start()
	time.Sleep(d)
	return r.Stop()
}

// Stop ends the load, waits for the requests that were sent, and returns what came of them all.
func (r *Run) Stop() *Result {
	r.stop()
	r.workers.Wait()
	r.client.CloseIdleConnections()
	return &r.result
}

// Tokens returns how many tokens have been received so far.
func (r *Run) Tokens() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.result.Tokens)
}

func (l Load) client() *http.Client {
	return &http.Client{
		Timeout: l.Timeout,
		Transport: &http.Transport{
			MaxConnsPerHost:     l.Connections,
			MaxIdleConnsPerHost: l.Connections,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// schedule makes requests due, at most ten seconds' worth ahead of those that are sent.
func (r *Run) schedule() {
	defer close(r.due)
	began := time.Now()
	timer := time.NewTimer(0)
	for n := 0; ; n++ {
		at := began.Add(time.Duration(n) * time.Second / time.Duration(r.load.Rate))
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			select {
			case <-r.stopped.Done():
				return
			case <-timer.C:
			}
		}
		select {
		case <-r.stopped.Done():
			return
		case r.due <- at:
		default:
			r.mu.Lock()
			r.result.Unsent++
			r.mu.Unlock()
		}
	}
}

func (r *Run) work() {
	for at := range r.due {
		if r.stopped.Err() != nil {
			return
		}
		r.click(at)
	}
}

// click sends one request and notes what came of it. A token counts as received with the response's header, whatever
// happens to the body: a browser has stored the cookie by then.
func (r *Run) click(at time.Time) {
	resp, err := r.ask(r.client)
	for n := 0; err != nil && n < r.load.Repeats && !os.IsTimeout(err); n++ {
		r.mu.Lock()
		r.result.Repeated++
		r.mu.Unlock()
		resp, err = r.ask(r.fresh)
	}
	if err != nil {
		r.note(at, 0, Token{}, err)
		return
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	r.note(at, resp.StatusCode, r.token(resp), err)
}

func (r *Run) ask(client *http.Client) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, r.load.URL, nil)
	if err != nil {
		return nil, err
	}
	AsBrowser(req.Header)
	for name, values := range r.load.Header {
		req.Header[name] = values
	}
	return client.Do(req)
}

func (r *Run) token(resp *http.Response) Token {
	for _, c := range resp.Cookies() {
		if strings.TrimPrefix(strings.TrimPrefix(c.Name, "__Host-"), "__Secure-") == r.load.Cookie && c.Value != "" {
			return Token{Session: resp.Header.Get(SessionHeader), Cookie: c.Value}
		}
	}
	return Token{}
}

func (r *Run) note(at time.Time, status int, token Token, err error) {
	took := time.Since(at)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Latencies = append(r.result.Latencies, took)
	if token.Cookie != "" {
		r.result.Tokens = append(r.result.Tokens, token)
	}
	if status != 0 {
		r.result.Statuses[status]++
	}
	if err != nil {
		r.result.Errors++
		r.result.LastError = err
		if status != 0 {
			r.result.Cut++
		}
	}
}

// AsBrowser sets the headers of a person's navigation, without which a click is no human one.
func AsBrowser(h http.Header) {
	h.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	h.Set("Accept", "text/html,application/xhtml+xml")
	h.Set("Accept-Language", "en")
	h.Set("Sec-Fetch-Dest", "document")
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Site", "cross-site")
}

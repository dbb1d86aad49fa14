package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// shops are clients of the API that repeat each request until it is answered.
type shops struct {
	site, key string
	client    http.Client
	stopped   chan struct{}
	running   sync.WaitGroup

	mu     sync.Mutex
	orders []string // that were sold, approved and partly refunded
	failed int      // requests that were made again
	wrong  error    // the first answer that no shop should get
}

// open lets that many shops begin. They sell for the affiliate of a coupon, in a campaign that pays ten per cent.
func open(t *testing.T, p *caddy.Process, number int) *shops {
	t.Helper()
	key, errs, status := p.CLI("affiliate", "key", "create", "--scope", "*", "--rate", "10000")
	if status != 0 {
		t.Fatalf("caddy affiliate key create exits with %d: %s", status, errs)
	}
	s := &shops{
		site: p.URL, key: strings.TrimSpace(key), stopped: make(chan struct{}),
		client: http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: number}},
	}
	affiliate := s.add(t, "affiliates", `{"name": "Sara"}`)
	s.add(t, "campaigns", fmt.Sprintf(`{"name": "Spring", "commissions": [{"name": "default", "percent": "10"}],
		"coupons": [{"code": "SPRING", "affiliate_id": %d}]}`, idOf[int64](t, affiliate)))
	for n := range number {
		s.running.Go(func() { s.work(t, n) })
	}
	t.Cleanup(func() { s.stop() })
	return s
}

// add adds an object to that list of the API.
func (s *shops) add(t *testing.T, list, object string) []byte {
	t.Helper()
	status, answer, err := s.ask("POST", list, object)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("POST %s %s\nanswers %d %s, %v", list, object, status, answer, err)
	}
	return answer
}

// work sells until it is stopped: an order, the same again, its approval, and a refund of a tenth.
func (s *shops) work(t *testing.T, shop int) {
	for n := 0; ; n++ {
		order := fmt.Sprintf("%d-%d", shop, n)
		sale := fmt.Sprintf(`{"external_id": %q, "type": "sale", "amount": 1000, "currency": "EUR", "coupon": "spring"}`, order)
		first, ok := s.insist("POST", "conversions", sale)
		if !ok {
			return
		}
		again, ok := s.insist("POST", "conversions", sale)
		if !ok {
			return
		}
		if !bytes.Equal(first, again) {
			s.note(fmt.Errorf("order %s is answered\n%s\nand again\n%s", order, first, again))
		}
		if _, ok = s.insist("PATCH", "conversions/"+idOf[string](t, first), `{"status": "approved"}`); !ok {
			return
		}
		refund := fmt.Sprintf(`{"external_id": "R-%s", "conversion_external_id": %q, "conversion_type": "sale", "amount": 100, "currency": "EUR"}`, order, order)
		if _, ok = s.insist("POST", "refunds", refund); !ok {
			return
		}
		s.mu.Lock()
		s.orders = append(s.orders, order)
		s.mu.Unlock()
	}
}

// insist asks until it is answered; ok is false when the shops are to stop. While the books are away the one right answer
// is 503.
func (s *shops) insist(method, path, body string) (answer []byte, ok bool) {
	for {
		select {
		case <-s.stopped:
			return nil, false
		default:
		}
		status, answer, err := s.ask(method, path, body)
		switch {
		case err != nil:
			s.note(fmt.Errorf("%s %s: %w", method, path, err))
		case status/100 == 2:
			return answer, true
		case status != http.StatusServiceUnavailable:
			s.note(fmt.Errorf("%s %s answers %d %s", method, path, status, answer))
		}
		s.mu.Lock()
		s.failed++
		s.mu.Unlock()
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *shops) ask(method, path, body string) (status int, answer []byte, err error) {
	r, err := http.NewRequest(method, s.site+"/affiliate/v1/"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// note keeps the first answer that was wrong.
func (s *shops) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong == nil {
		s.wrong = err
	}
}

func (s *shops) failures() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *shops) sold() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.orders)
}

// more returns when that many more orders are done.
func (s *shops) more(t *testing.T, orders int) {
	t.Helper()
	due := s.sold() + orders
	await(t, fmt.Sprintf("%d more orders", orders), func() bool { return s.sold() >= due })
}

// stop ends the selling and returns the orders that were done.
func (s *shops) stop() []string {
	select {
	case <-s.stopped:
	default:
		close(s.stopped)
	}
	s.running.Wait()
	s.client.CloseIdleConnections()
	return s.orders
}

// idOf is the id in an object's JSON.
func idOf[ID any](t *testing.T, text []byte) ID {
	var object struct{ ID ID }
	if err := json.Unmarshal(text, &object); err != nil {
		t.Errorf("%v in %s", err, text)
	}
	return object.ID
}

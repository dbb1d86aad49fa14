package forward

import (
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// breakAfter is how many attempts in a row have to fail for an endpoint to be left alone.
	breakAfter = 5
	// breakTime is how long it is left alone before one attempt tries it again.
	breakTime = 30 * time.Second
)

// breakers are those of the process, one for each host: destinations on one host share it.
var breakers = hosts{byHost: map[string]*gobreaker.TwoStepCircuitBreaker[any]{}}

type hosts struct {
	mu     sync.Mutex
	byHost map[string]*gobreaker.TwoStepCircuitBreaker[any]
}

// of returns the breaker of a URL's host. There are as many as the configurations of this process have had hosts.
func (h *hosts) of(host string) *gobreaker.TwoStepCircuitBreaker[any] {
	host = endpointKey(host)
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.byHost[host]
	if b == nil {
		b = newBreaker(host)
		h.byHost[host] = b
	}
	return b
}

// endpointKey is one name for an endpoint however a configuration writes it: in lower case, without the dot that may end a name, and
// with the port only where it is not the one that a URL of https or of http has without it.
func endpointKey(host string) string {
	host = strings.ToLower(host)
	if name, port, err := net.SplitHostPort(host); err == nil {
		if host = net.JoinHostPort(strings.TrimSuffix(name, "."), port); port == "443" || port == "80" {
			host = strings.TrimSuffix(host, ":"+port)
		}
	}
	return strings.TrimSuffix(host, ".")
}

func newBreaker(host string) *gobreaker.TwoStepCircuitBreaker[any] {
	return gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: host, MaxRequests: 1, Timeout: breakTime,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakAfter },
		IsExcluded:  func(err error) bool { return errors.Is(err, errNoWord) },
	})
}

// errNoWord is what an attempt tells a breaker that shows nothing of the endpoint.
var errNoWord = errors.New("the endpoint was not heard")

// word is what an attempt tells the breaker: nil if it shows that the endpoint works, whatever that thinks of the event.
func word(a Answer, err error) error {
	switch {
	case err == nil, a.Status >= 200 && a.Status < 500 && a.Status != 429:
		return nil
	case errors.Is(err, ErrSkip):
		return errNoWord
	}
	return err
}

package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

const (
	// requestTime bounds an attempt, from the look-up of the name to the last byte of the answer.
	requestTime = 15 * time.Second
	// maxAnswer is how much of an answer is read.
	maxAnswer = 64 << 10
	// keptAnswer is how much of an answer the log of attempts keeps.
	keptAnswer = 1 << 10
)

// ErrForbidden is returned for an endpoint that resolves to an address of no public network, such as one of this machine, which
// the configuration does not allow.
var ErrForbidden = errors.New("the endpoint's address is not a public one; if it is yours, name it in allow")

// Client makes every outbound request. It connects only to public addresses, whatever a name resolves to at that moment, and to
// what the configuration allows; it follows no redirect, takes no proxy from the environment, and reads 64 KiB of an answer.
type Client struct {
	http *http.Client
}

// Response is a whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // at most 64 KiB; what is over is not read
}

// NewClient returns a client that also connects to the networks in allow, for the site owner's own hosts.
func NewClient(allow []netip.Prefix) *Client {
	guard := ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithNetworks("tcp4", "tcp6"),
	)
	dialer := &net.Dialer{
		Timeout: requestTime,
		Control: func(network, address string, c syscall.RawConn) error {
			if isAllowed(allow, address) {
				return nil
			}
			if err := guard.Safe(network, address, c); err != nil {
				return ErrForbidden // not the guard's own text: it has the address
			}
			return nil
		},
	}
	return &Client{&http.Client{
		Timeout: requestTime,
		Transport: &http.Transport{
			Proxy:                  nil, // the guard would look at the proxy's address
			DialContext:            dialer.DialContext,
			DisableCompression:     true, // an answer is read as it came, so nothing can unfold
			MaxResponseHeaderBytes: maxAnswer,
			MaxIdleConnsPerHost:    64,
			IdleConnTimeout:        time.Minute,
			TLSHandshakeTimeout:    requestTime,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Within returns the same client with a shorter time for a request than 15 s.
func (c *Client) Within(t time.Duration) *Client {
	shorter := *c.http
	shorter.Timeout = min(t, requestTime)
	return &Client{&shorter}
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func isAllowed(allow []netip.Prefix, address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) })
}

// Do sends the request and reads the answer. An answer that breaks off after a good status is an error as well: nobody knows
// what the rest said.
func (c *Client) Do(ctx context.Context, r *http.Request) (*Response, error) {
	answer, err := c.http.Do(r.WithContext(ctx))
	if err != nil {
		return nil, plain(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &Response{answer.StatusCode, answer.Header, body}, fmt.Errorf("the answer broke off: %w", plain(err))
	}
	return &Response{answer.StatusCode, answer.Header, body}, nil
}

// plain takes the URL, which may have secrets in it, and addresses out of an error of the transport.
func plain(err error) error {
	var lookup *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, ErrForbidden):
		return ErrForbidden
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &lookup):
		return errors.New("the endpoint's name cannot be resolved")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the endpoint did not answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the endpoint refuses connections")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the endpoint broke the connection off")
	case strings.Contains(err.Error(), "x509: "), strings.Contains(err.Error(), "tls: "):
		return errors.New("the endpoint's certificate or TLS is not good")
	}
	return errors.New("the request failed in transport")
}

// Package inbound takes postbacks: requests by which trackers and networks report conversions, with their parameters under any of
// the names that trackers use.
package inbound

import (
	"context"
	"crypto/hmac"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/forward/postback"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const name = "postback"

// MinSecret is the number of characters that the secret of a postback's path, or of its signature, must have.
const MinSecret = 16

// Books is what a postback asks of the ledger.
type Books interface {
	CreateConversion(ctx context.Context, n tracker.NewConversion) (answer []byte, replayed bool, err error)
	Conversion(ctx context.Context, network, id string) (tracker.Conversion, error)
	Conversions(
		ctx context.Context, network string, f tracker.ConversionFilter, p tracker.Page,
	) (page []tracker.Conversion, next string, err error)
	UpdateConversion(ctx context.Context, network, id string, u tracker.ConversionUpdate) (tracker.Conversion, error)
	ReverseConversion(ctx context.Context, network, id, note, actor string) (tracker.Conversion, error)
}

// Options is what a postback's server works with.
type Options struct {
	platform.Options
	// Books returns the ledger; while it returns an error, postbacks are answered with 503, and their senders send them again.
	Books func() (Books, error)
	// Path is where postbacks are taken. The last part of it is the secret, unless they are signed.
	Path string
	// Secret is the key of the parameter sig, as {sig} of an outbound postback makes it. Empty: the path is the secret.
	Secret string
	// Networks are the networks of addresses from which postbacks are taken. Empty: all.
	From []netip.Prefix
	// Address returns the client's address. Nil: none is known.
	Address func(r *http.Request) netip.Addr
	// Network is that of the conversions.
	Network string
	// Currency is that of amounts where a postback names none.
	Currency string
	// Statuses are our statuses by the sender's words, in lower case, beside the usual ones.
	Statuses map[string]tracker.ConversionStatus
	// Trusted lets a postback approve a conversion. Otherwise all are pending.
	Trusted bool
}

// Check refuses settings that mean nothing, or that let anybody in.
func (o Options) Check() error {
	secret := o.Path[strings.LastIndex(o.Path, "/")+1:]
	switch {
	case !strings.HasPrefix(o.Path, "/"):
		return errors.New("the path begins with a slash")
	case o.Secret != "" && len(o.Secret) < MinSecret:
		return fmt.Errorf("the secret has fewer than %d characters", MinSecret)
	case o.Secret == "" && len(secret) < MinSecret:
		return fmt.Errorf("the path ends with a secret of at least %d characters, unless postbacks are signed (secret)", MinSecret)
	}
	return tracker.CheckCurrency(o.Currency)
}

// New returns the server of postbacks.
func New(o Options) *platform.Server {
	o.Options = o.WithDefaults()
	s := &server{o}
	return &platform.Server{
		Name:    name,
		Owns:    s.owns,
		Handler: s,
		Broken:  func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusInternalServerError, "error") },
		Logger:  o.Logger,
	}
}

type server struct{ Options }

// owns compares in constant time: the path may be the secret.
func (s *server) owns(path string) bool {
	return subtle.ConstantTimeCompare([]byte(path), []byte(s.Path)) == 1
}

// say answers. Senders look at the status; people at the text.
func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	platform.Operation(r.Context(), "postback")
	values, err := s.read(w, r)
	if err == nil {
		err = s.take(r.Context(), values)
	}
	var refused *refusal
	var invalid tracker.Invalid
	switch {
	case err == nil:
		say(w, http.StatusOK, "OK")
	case errors.As(err, &refused):
		say(w, refused.status, refused.text)
	case errors.As(err, &invalid):
		say(w, http.StatusUnprocessableEntity, invalid.Error())
	case errors.Is(err, tracker.ErrConflict), errors.Is(err, tracker.ErrClosed), errors.Is(err, tracker.ErrReversed),
		errors.Is(err, tracker.ErrTransition):
		say(w, http.StatusConflict, "the conversion was reported before, and cannot be changed to this")
	case errors.Is(err, tracker.ErrAway):
		say(w, http.StatusServiceUnavailable, "the books cannot be reached; send it again")
	default:
		s.Logger.Error("a postback failed", "error", err)
		say(w, http.StatusInternalServerError, "error")
	}
}

// refusal is an error whose status and text the sender gets.
type refusal struct {
	status int
	text   string
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

func refuse(status int, text string) error { return &refusal{status, text} }

// read returns the parameters of a postback that is let in.
func (s *server) read(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return nil, refuse(http.StatusMethodNotAllowed, "a postback is a GET or a POST")
	}
	if len(s.From) > 0 {
		from := s.Address(r).Unmap()
		if !slices.ContainsFunc(s.From, func(p netip.Prefix) bool { return p.Contains(from) }) {
			return nil, refuse(http.StatusForbidden, "postbacks from this address are not taken")
		}
	}
	query := r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, err := access.ReadBody(w, r)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, err.Error())
		}
		query = strings.Trim(query+"&"+string(body), "&")
	}
	if s.Secret != "" && !signed(query, s.Secret) {
		return nil, refuse(http.StatusUnauthorized, "the parameter sig is missing or wrong")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the parameters are not encoded as those of a URL")
	}
	return values, nil
}

// signed reports whether sig is the signature of the other parameters as they came.
func signed(query, secret string) bool {
	given := ""
	parts := slices.DeleteFunc(strings.Split(query, "&"), func(p string) bool {
		sig, found := strings.CutPrefix(p, "sig=")
		if found {
			given = sig
		}
		return found || p == ""
	})
	return hmac.Equal([]byte(strings.ToLower(given)), []byte(postback.Signature(parts, []byte(secret))))
}

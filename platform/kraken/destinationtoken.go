package kraken

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
)

const (
	// tokenTime is how long a token is used that does not say when it expires: Kraken's last 60 minutes.
	tokenTime = 50 * time.Minute
	// tokenMargin is how long before its end a token is not used any more.
	tokenMargin = time.Minute
	// tokenRest is how long no other token is obtained after one was: where Kraken refuses what it has just given, asking on would
	// be a storm.
	tokenRest = 30 * time.Second
	// failureRest is the same after one could not be obtained, for all who wait for it.
	failureRest = 3 * time.Second
)

const obtainToken = `mutation obtainKrakenToken($input: ObtainJSONWebTokenInput!) {
  obtainKrakenToken(input: $input) { token }
}`

// tokenKeeper keeps the token that Kraken gave. One at a time obtains a new one; the others wait for it.
type tokenKeeper struct {
	turn chan struct{} // has an element while nobody has the rest

	token   string
	asked   time.Time // when the last was asked for
	expires time.Time
	failure error // of the last; nil: it was given
}

func newTokens() tokenKeeper {
	t := tokenKeeper{turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

var errTokenRefused = errors.New("a token that Kraken has just given is refused")

// get returns the token, or obtains a new one: where the one there is has expired, or is the one that Kraken has refused.
func (t *tokenKeeper) get(ctx context.Context, s *sending, refused string) (string, error) {
	if err := t.wait(ctx); err != nil {
		return "", err
	}
	defer t.release()
	now := s.Now()
	if t.token != "" && t.token != refused && now.Before(t.expires) {
		return t.token, nil
	}
	rested := max(now.Sub(t.asked), 0)
	if t.failure != nil && rested < failureRest {
		return "", t.failure
	}
	if t.token != "" && t.token == refused && rested < tokenRest {
		return "", forward.Refused(errTokenRefused)
	}
	return t.obtain(ctx, s)
}

// renew obtains a new token in any case.
func (t *tokenKeeper) renew(ctx context.Context, s *sending) (string, error) {
	if err := t.wait(ctx); err != nil {
		return "", err
	}
	defer t.release()
	return t.obtain(ctx, s)
}

func (t *tokenKeeper) wait(ctx context.Context) error {
	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
		return errors.New("another attempt did not obtain a token in time")
	}
}

func (t *tokenKeeper) release() { t.turn <- struct{}{} }

func (t *tokenKeeper) obtain(ctx context.Context, s *sending) (string, error) {
	t.asked = s.Now()
	t.token, t.failure = s.obtain(ctx)
	if t.failure == nil {
		t.expires = expiry(t.token, t.asked).Add(-tokenMargin)
	}
	return t.token, t.failure
}

// obtain asks Kraken for a token.
func (s *sending) obtain(ctx context.Context) (string, error) {
	input := map[string]string{"organizationSecretKey": s.OrganizationSecretKey}
	if s.APIKey != "" {
		input = map[string]string{"APIKey": s.APIKey}
	}
	data, err := s.ask(ctx, "", obtainToken, map[string]any{"input": input})
	s.written = false // no session was asked for
	s.answer.Body = nil
	if err != nil {
		return "", err
	}
	var given struct{ ObtainKrakenToken *struct{ Token string } }
	if json.Unmarshal(data, &given) != nil || given.ObtainKrakenToken == nil || !isToken(given.ObtainKrakenToken.Token) {
		return "", errors.New("the answer has no token")
	}
	return given.ObtainKrakenToken.Token, nil
}

// isToken reports whether text can stand in a header.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// expiry is when a token says that it expires, as JWTs do.
func expiry(token string, now time.Time) time.Time {
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if parts := strings.Split(token, "."); len(parts) == 3 {
		payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
		if err == nil && json.Unmarshal(payload, &claims) == nil && claims.Expires > 0 {
			return time.Unix(claims.Expires, 0)
		}
	}
	return now.Add(tokenTime)
}

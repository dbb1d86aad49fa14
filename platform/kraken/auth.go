package kraken

import (
	"context"
	"errors"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// caller is who asks, as far as a field may know.
type caller struct {
	*call
	books Books
	key   tracker.Key
}

// field lets a field of the root in: its caller has a good key with that scope and may make one more request. Each field counts
// as one, since one document may hold many.
func (c *call) field(ctx context.Context, operation string, scope tracker.Scope) (*caller, error) {
	c.name(ctx, operation)
	c.once.Do(func() { c.caller, c.failure = c.authenticate(ctx) })
	if c.failure != nil {
		return nil, c.failure
	}
	if err := c.spend(ctx, c.caller.books, c.caller.key); err != nil {
		return nil, err
	}
	if !c.caller.key.Allows(scope) {
		return nil, codeUnauthorized.fault()
	}
	return c.caller, nil
}

// name names the request after the first field that is resolved: several may be at once.
func (c *call) name(ctx context.Context, operation string) {
	c.named.Do(func() { platform.Operation(ctx, operation) })
}

// change is field for one that changes something, which a GET never does.
func (c *call) change(ctx context.Context, operation string, scope tracker.Scope) (*caller, error) {
	if c.safe {
		return nil, codeDisabled.fault()
	}
	return c.field(ctx, operation, scope)
}

func (c *call) spend(ctx context.Context, books Books, key tracker.Key) error {
	left := access.Spend(ctx, books, key, c.server.Now(), c.server.Logger)
	if left.Allowed {
		return nil
	}
	f := codeTooMany.fault()
	f.retryAfter = left.RetryAfter
	return f
}

func (c *call) authenticate(ctx context.Context) (*caller, error) {
	if strings.TrimSpace(strings.Join(c.authorization, "")) == "" {
		return nil, codeNoHeader.fault()
	}
	books, err := c.server.Books()
	if err != nil {
		return nil, away(err)
	}
	key, err := c.keyOf(ctx, books, credential(c.authorization))
	switch {
	case errors.Is(err, errExpired):
		return nil, codeExpired.fault()
	case errors.Is(err, errStarting):
		return nil, away(err)
	case errors.Is(err, access.ErrKey) || errors.Is(err, errToken):
		return nil, codeBadHeader.fault()
	case err != nil:
		return nil, faultOf(err)
	}
	return &caller{c, books, key}, nil
}

// credential is what the header holds after a scheme that Kraken's clients write: none, JWT or Bearer. Of two headers none is
// taken: another server in front may have looked at the other.
func credential(headers []string) string {
	if len(headers) != 1 {
		return ""
	}
	words := strings.Fields(headers[0])
	if len(words) == 2 && (strings.EqualFold(words[0], "JWT") || strings.EqualFold(words[0], "Bearer")) {
		return words[1]
	}
	if len(words) != 1 {
		return ""
	}
	return words[0]
}

// keyOf returns the key that a token was obtained with or, as a tolerance, that was given itself.
func (c *call) keyOf(ctx context.Context, books Books, credential string) (tracker.Key, error) {
	if _, _, ok := tracker.ParseKey(credential); ok && !c.server.Strict {
		return access.Authenticate(ctx, books, credential)
	}
	claims, err := c.server.signer().open(credential, useAccess, c.server.Now())
	if err != nil {
		return tracker.Key{}, err
	}
	return access.ByID(ctx, books, claims.Subject)
}

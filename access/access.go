// Package access is the way into the APIs. It lets requests with a key in: it finds the key, compares it, counts the request
// against the key's rate and notes the use. And it bounds a request and its body, remembers how it was answered and answers where our own
// code panics. Every API does it by this package, so a key has one rate and one last use whatever it is used for.
package access

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Keys is what is asked of the ledger.
type Keys interface {
	KeyByID(ctx context.Context, id string) (tracker.Key, error)
	KeyUsed(ctx context.Context, id string, at time.Time) error
}

// ErrKey is returned for every key that is not good, whatever is wrong with it.
var ErrKey = errors.New("no valid key")

// nobody is the id that is looked up where a request names none. No key has it: ids have no dashes.
const nobody = "------------"

// Authenticate returns the key with that text, or ErrKey. Whatever is wrong, the same is done: one look-up, one comparison.
func Authenticate(ctx context.Context, keys Keys, text string) (tracker.Key, error) {
	id, secret, ok := tracker.ParseKey(text)
	if !ok {
		id = nobody
	}
	key, err := keys.KeyByID(ctx, id)
	if errors.Is(err, tracker.ErrNotFound) {
		key = tracker.Key{} // matches nothing, and takes as long
	} else if err != nil {
		return tracker.Key{}, err
	}
	if !key.Matches(secret) || key.RevokedAt != nil {
		return tracker.Key{}, ErrKey
	}
	return key, nil
}

// ByID returns the key that something signed by us names, or ErrKey where it has been revoked.
func ByID(ctx context.Context, keys Keys, id string) (tracker.Key, error) {
	key, err := keys.KeyByID(ctx, id)
	if errors.Is(err, tracker.ErrNotFound) || err == nil && key.RevokedAt != nil {
		return tracker.Key{}, ErrKey
	}
	return key, err
}

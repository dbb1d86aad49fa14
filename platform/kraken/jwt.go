package kraken

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// How long tokens are good for: Kraken's own times.
const (
	accessTime  = time.Hour
	refreshTime = 7 * 24 * time.Hour
)

// The uses of a token, so that none can stand in for another.
const (
	useAccess  = "access"
	useRefresh = "refresh"
)

const issuer = "caddy-affiliate"

// maxToken is the size in bytes above which a token is not looked at. Ours have about 300.
const maxToken = 2048

var (
	errToken    = errors.New("not a token of ours")
	errExpired  = errors.New("the token has expired")
	errStarting = errors.New("the secrets are not known yet")
)

// signer makes and opens tokens. Only one algorithm is known to it: what a token says of its own is not asked.
type signer struct{ keys [][]byte } // the first signs, all are good for checking

// keyID names a key. It tells nothing of it.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("kid\x00"), key...))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

func (s signer) sign(c Claims) (string, error) {
	if len(s.keys) == 0 {
		return "", errStarting
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", keyID(s.keys[0]))
	with, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: s.keys[0]}, options)
	if err != nil {
		return "", fmt.Errorf("making the signer of tokens: %w", err)
	}
	token, err := jwt.Signed(with).Claims(c).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return token, nil
}

// open returns what a token for that use says. errToken: it is none of ours; errExpired: it was one.
func (s signer) open(token, use string, now time.Time) (Claims, error) {
	if len(s.keys) == 0 {
		return Claims{}, errStarting
	}
	if len(token) > maxToken {
		return Claims{}, errToken
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil || len(parsed.Headers) != 1 {
		return Claims{}, errToken
	}
	var claims Claims
	for _, key := range s.keys {
		if parsed.Headers[0].KeyID != keyID(key) {
			continue
		}
		if parsed.Claims(key, &claims) != nil {
			return Claims{}, errToken
		}
		return claims, claims.check(use, now)
	}
	return Claims{}, errToken
}

// check says what is wrong with the claims of a token that we have signed.
func (c *Claims) check(use string, now time.Time) error {
	if c.Issuer != issuer || c.Use != use || c.Subject == "" || c.Expires <= 0 {
		return errToken
	}
	if now.Unix() >= c.Expires {
		return errExpired
	}
	return nil
}

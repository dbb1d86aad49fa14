package kraken

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// tokenInput is Kraken's ObtainJSONWebTokenInput.
type tokenInput struct {
	APIKey                *text
	OrganizationSecretKey *text
	PreSignedKey          *text
	RefreshToken          *text
}

// tokenPayload is Kraken's ObtainKrakenJSONWebToken.
type tokenPayload struct {
	token, refresh string
	claims         Claims
	refreshExpires int64
}

// grants are what a token can be obtained with: the name in the claims, the input's field, and the error of a bad one.
var grants = []struct {
	name, field string
	given       func(in *tokenInput) *text
	bad         code
}{
	{"API-KEY", "APIKey", func(in *tokenInput) *text { return in.APIKey }, codeAPIKey},
	{"ORGANIZATION-SECRET-KEY", "organizationSecretKey", func(in *tokenInput) *text { return in.OrganizationSecretKey }, codeSecretKey},
}

// ObtainKrakenToken answers obtainKrakenToken.
func (root) ObtainKrakenToken(ctx context.Context, args struct{ Input tokenInput }) (*tokenPayload, error) {
	c, in := callOf(ctx), &args.Input
	c.name(ctx, "obtainKrakenToken")
	if c.safe {
		return nil, codeDisabled.fault()
	}
	given := 0
	for _, field := range []*text{in.APIKey, in.OrganizationSecretKey, in.PreSignedKey, in.RefreshToken} {
		if field != nil {
			given++
		}
	}
	if given != 1 {
		return nil, codeCombination.fault()
	}
	books, err := c.server.Books()
	if err != nil {
		return nil, away(err)
	}
	if in.RefreshToken != nil {
		return c.refresh(ctx, books, string(*in.RefreshToken))
	}
	for _, g := range grants {
		if key := g.given(in); key != nil {
			return c.grant(ctx, books, g.name, string(*key), g.bad.of(g.field, "Authentication failed."))
		}
	}
	return nil, codeSecretKey.of("preSignedKey", "Keys of this kind are not issued here.")
}

// grant gives tokens to who shows a key.
func (c *call) grant(ctx context.Context, books Books, name, text string, bad *fault) (*tokenPayload, error) {
	key, err := access.Authenticate(ctx, books, text)
	if errors.Is(err, access.ErrKey) {
		return nil, bad
	}
	if err != nil {
		return nil, faultOf(err)
	}
	now := c.server.Now()
	first := Claims{Subject: key.ID, Grant: name, Original: now.Unix(), Expires: now.Add(refreshTime).Unix()}
	refresh, err := c.sign(first, useRefresh, now)
	if err != nil {
		return nil, err
	}
	return c.issue(ctx, books, key, first, refresh)
}

// refresh gives a new token to who shows a refresh token. That one stays, and ends when it would have: a key has to be shown
// every week.
func (c *call) refresh(ctx context.Context, books Books, token string) (*tokenPayload, error) {
	claims, err := c.server.signer().open(token, useRefresh, c.server.Now())
	switch {
	case errors.Is(err, errExpired):
		return nil, codeRefreshExpired.of("refreshToken", "The refresh token has expired.")
	case errors.Is(err, errStarting):
		return nil, away(err)
	case err != nil:
		return nil, codeRefreshWrong.of("refreshToken", "The refresh token is invalid.")
	}
	key, err := access.ByID(ctx, books, claims.Subject)
	if errors.Is(err, access.ErrKey) {
		return nil, codeRefreshWrong.of("refreshToken", "The refresh token is invalid.")
	}
	if err != nil {
		return nil, faultOf(err)
	}
	return c.issue(ctx, books, key, claims, token)
}

// issue makes the token that goes with a refresh token.
func (c *call) issue(ctx context.Context, books Books, key tracker.Key, refresh Claims, text string) (*tokenPayload, error) {
	if err := c.spend(ctx, books, key); err != nil {
		return nil, err
	}
	now := c.server.Now()
	claims := Claims{Subject: key.ID, Grant: refresh.Grant, Original: refresh.Original, Expires: now.Add(accessTime).Unix()}
	token, err := c.sign(claims, useAccess, now)
	if err != nil {
		return nil, err
	}
	claims.Issuer, claims.Use, claims.Issued = issuer, useAccess, now.Unix()
	return &tokenPayload{token: token, refresh: text, claims: claims, refreshExpires: refresh.Expires}, nil
}

func (c *call) sign(claims Claims, use string, now time.Time) (string, error) {
	claims.Issuer, claims.Use, claims.Issued = issuer, use, now.Unix()
	token, err := c.server.signer().sign(claims)
	if err != nil {
		return "", away(err)
	}
	return token, nil
}

// Token is the field token.
func (p *tokenPayload) Token() string { return p.token }

// Payload is the field payload.
func (p *tokenPayload) Payload() generic { return generic{p.claims} }

// RefreshToken is the field refreshToken.
func (p *tokenPayload) RefreshToken() *string { return &p.refresh }

// RefreshExpiresIn is the field refreshExpiresIn.
func (p *tokenPayload) RefreshExpiresIn() *int32 {
	at := int32(p.refreshExpires)
	return &at
}

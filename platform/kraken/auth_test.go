package kraken

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	obtain = `mutation($input: ObtainJSONWebTokenInput!) { obtainKrakenToken(input: $input) { token refreshToken refreshExpiresIn } }`
	whoami = `{ affiliateLink(subdomain: "familymart") { id } }`
)

// tokens is what obtainKrakenToken gives.
type tokens struct {
	Token, RefreshToken string
	RefreshExpiresIn    int64
}

func (s *shop) obtain(input fields) tokens {
	s.Helper()
	var data struct{ ObtainKrakenToken tokens }
	if err := json.Unmarshal(s.do(obtain, fields{"input": input}).want(http.StatusOK).Data, &data); err != nil {
		s.Fatal(err)
	}
	return data.ObtainKrakenToken
}

// as asks whoami with that header, and wants these codes.
func (s *shop) as(authorization string, codes ...string) {
	s.Helper()
	r := s.post(fields{"query": whoami})
	r.Header.Set("Authorization", authorization)
	s.send(r).want(http.StatusOK, codes...)
}

func TestTokensExpire(t *testing.T) {
	s := newShop(t)
	got := s.obtain(fields{"APIKey": s.key})
	if got.RefreshExpiresIn != epoch.Add(7*24*time.Hour).Unix() {
		t.Errorf("the refresh token ends at %d", got.RefreshExpiresIn)
	}
	s.books.At(epoch.Add(time.Hour - time.Second))
	s.as("JWT " + got.Token)
	s.books.At(epoch.Add(time.Hour))
	s.as("JWT "+got.Token, "KT-CT-1124")

	s.books.At(epoch.Add(7*24*time.Hour - time.Second))
	again := s.obtain(fields{"refreshToken": got.RefreshToken})
	if again.RefreshToken != got.RefreshToken || again.RefreshExpiresIn != got.RefreshExpiresIn || again.Token == got.Token {
		t.Errorf("refreshing gives %+v after %+v", again, got)
	}
	s.as(again.Token)
	s.books.At(epoch.Add(7 * 24 * time.Hour))
	s.do(obtain, fields{"input": fields{"refreshToken": got.RefreshToken}}).want(http.StatusOK, "KT-CT-1134")
}

func TestTokensEndWithTheirKey(t *testing.T) {
	s := newShop(t)
	got := s.obtain(fields{"organizationSecretKey": s.key})
	id, _, _ := tracker.ParseKey(s.key)
	if _, err := s.books.RevokeKey(t.Context(), "acme", id); err != nil {
		t.Fatal(err)
	}
	s.as("JWT "+got.Token, "KT-CT-1143")
	s.as(s.key, "KT-CT-1143")
	s.do(obtain, fields{"input": fields{"refreshToken": got.RefreshToken}}).want(http.StatusOK, "KT-CT-1135")
	s.do(obtain, fields{"input": fields{"APIKey": s.key}}).want(http.StatusOK, "KT-CT-1139")
}

// TestTwoHeaders: of two credentials none is taken, whichever of them is good.
func TestTwoHeaders(t *testing.T) {
	s := newShop(t)
	for _, values := range [][]string{{s.key, "JWT x"}, {"JWT x", s.key}, {s.key, s.key}} {
		r := s.post(fields{"query": whoami})
		r.Header["Authorization"] = values
		s.send(r).want(http.StatusOK, "KT-CT-1143")
	}
	r := s.post(fields{"query": whoami})
	r.Header["Authorization"] = []string{"", " "}
	s.send(r).want(http.StatusOK, "KT-CT-1112")
}

// TestForgedTokens has everything that a token of ours has but one thing.
func TestForgedTokens(t *testing.T) {
	s := newShop(t)
	ours := s.books.Sealer.Keys("kraken jwt")[0]
	id, _, _ := tracker.ParseKey(s.key)
	good := map[string]any{"iss": issuer, "sub": id, "gty": "API-KEY", "tokenUse": "access", "iat": epoch.Unix(), "exp": epoch.Unix() + 60}
	sign := func(algorithm jose.SignatureAlgorithm, key []byte, kid string, claims map[string]any) string {
		with, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid))
		if err != nil {
			t.Fatal(err)
		}
		token, err := jwt.Signed(with).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	but := func(name string, value any) map[string]any {
		claims := map[string]any{}
		for n, v := range good {
			claims[n] = v
		}
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
		return claims
	}
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	payload, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	other := []byte(strings.Repeat("k", 64))
	valid := sign(jose.HS256, ours, keyID(ours), good)
	s.as("JWT " + valid)
	for name, token := range map[string]string{
		"alg none":              part(`{"alg":"none","kid":"`+keyID(ours)+`"}`) + "." + part(string(payload)) + ".",
		"alg none, signed":      part(`{"alg":"none","kid":"`+keyID(ours)+`"}`) + "." + part(string(payload)) + "." + strings.Split(valid, ".")[2],
		"another algorithm":     sign(jose.HS512, append(ours, ours...), keyID(ours), good),
		"wrong key":             sign(jose.HS256, other, keyID(ours), good),
		"foreign kid":           sign(jose.HS256, ours, keyID(other), good),
		"foreign kid and key":   sign(jose.HS256, other, keyID(other), good),
		"no kid":                sign(jose.HS256, ours, "", good),
		"no exp":                sign(jose.HS256, ours, keyID(ours), but("exp", nil)),
		"exp zero":              sign(jose.HS256, ours, keyID(ours), but("exp", 0)),
		"exp is text":           sign(jose.HS256, ours, keyID(ours), but("exp", "never")),
		"another use":           sign(jose.HS256, ours, keyID(ours), but("tokenUse", "refresh")),
		"no use":                sign(jose.HS256, ours, keyID(ours), but("tokenUse", nil)),
		"another issuer":        sign(jose.HS256, ours, keyID(ours), but("iss", "kraken")),
		"nobody":                sign(jose.HS256, ours, keyID(ours), but("sub", "")),
		"an unknown key's":      sign(jose.HS256, ours, keyID(ours), but("sub", "aaaaaaaaaaaa")),
		"cut":                   valid[:len(valid)-2],
		"altered":               strings.Replace(valid, ".", ".e", 1),
		"four parts":            valid + ".x",
		"of our cookie's key":   sign(jose.HS256, s.books.Sealer.Keys("something else")[0], keyID(ours), good),
		"very long":             strings.Repeat("a.", 1<<13),
		"nothing but the dots":  "..",
		"JSON":                  `{"payload":"x","signatures":[]}`,
		"a key with a bad end":  s.key[:len(s.key)-2] + "AA",
		"a key of another form": "sk_live_" + s.key,
	} {
		t.Run(name, func(t *testing.T) {
			s := &shop{TB: t, Server: s.Server, key: s.key}
			s.as("JWT "+token, "KT-CT-1143")
			if name != "another use" { // which is a refresh token's
				s.do(obtain, fields{"input": fields{"refreshToken": token}}).want(http.StatusOK, "KT-CT-1135")
			}
		})
	}
	if strings.Contains(s.log.String(), id) {
		t.Errorf("the log says %s", s.log.String())
	}
}

// TestSecretsAreRotated: a token of an older secret is good as long as that is configured.
func TestSecretsAreRotated(t *testing.T) {
	secrets := []string{strings.Repeat("secret", 8)}
	s := newShop(t, func(o *Options) {
		o.Keys = func(purpose string) [][]byte {
			sealer, err := tracker.NewSealer(secrets)
			if err != nil {
				t.Error(err)
			}
			return sealer.Keys(purpose)
		}
	})
	old := s.obtain(fields{"APIKey": s.key}).Token
	secrets = []string{strings.Repeat("newer-", 8), secrets[0]}
	s.as(old)
	young := s.obtain(fields{"APIKey": s.key}).Token
	secrets = secrets[:1]
	s.as(old, "KT-CT-1143")
	s.as(young)
}

func TestRateIsOfEachField(t *testing.T) {
	s := newShop(t)
	s.key = s.books.NewSlowKey("acme", 1, tracker.ScopeAll)
	twice := `{ a: affiliateLink(subdomain: "familymart") { id } b: affiliateLinks(agentContactEmail: "x") { id } }`
	s.do(twice, nil).want(http.StatusOK)
	r := s.do(whoami, nil).want(http.StatusOK, "KT-CT-1199")
	if r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
	s.do(obtain, fields{"input": fields{"APIKey": s.key}}).want(http.StatusOK, "KT-CT-1199")
	s.books.At(epoch.Add(time.Second))
	s.do(whoami, nil).want(http.StatusOK)
}

func TestScopes(t *testing.T) {
	s := newShop(t)
	for query, scope := range map[string]tracker.Scope{
		whoami: "links:read",
		`{ affiliateLinks(agentContactEmail: "x") { id } }`:                                                                                             "links:read",
		`{ affiliateOrganisation(id: 1) { id } }`:                                                                                                       "affiliates:read",
		`mutation { createAffiliateSession(input: {linkId: 12}) { affiliateSession { id } } }`:                                                          "sessions:write",
		`mutation { updateAffiliateLink(input: {linkId: 12, contactName: "x"}) { __typename } }`:                                                        "links:write",
		`mutation { createAffiliateLink(input: {organisationId: 1, subdomain: "ab", contactName: "x", contactEmail: "x@example.com"}) { __typename } }`: "links:write",
	} {
		s.key = s.books.NewKey("acme", scope)
		s.do(query, nil).want(http.StatusOK)
		var others []tracker.Scope
		for _, resource := range tracker.Resources {
			for _, what := range []string{":read", ":write"} {
				if other := tracker.Scope(resource + what); other != scope {
					others = append(others, other)
				}
			}
		}
		s.key = s.books.NewKey("acme", others...)
		s.do(query, nil).want(http.StatusOK, "KT-CT-1111")
	}
}

func TestBooksAreAway(t *testing.T) {
	s := newShop(t)
	s.away = errors.New("this node keeps no books")
	for _, r := range []reply{
		s.do(whoami, nil), s.do(createSession, fields{"input": fields{"linkId": 12}}), s.do(obtain, fields{"input": fields{"APIKey": s.key}}),
	} {
		if !strings.Contains(r.body, `"errorCode":"AFF-UNAVAILABLE"`) || strings.Contains(r.body, "no books") {
			t.Errorf("%d %s", r.status, r.body)
		}
		if r.header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
		}
	}
	s.do(whoami, nil).want(http.StatusServiceUnavailable, "AFF-UNAVAILABLE")
	s.do(`{ __typename }`, nil).wantData(`{"__typename":"Query"}`) // needs no books
}

package tracker

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/chacha20poly1305"
)

// MinSecret is the number of characters that a secret must have.
const MinSecret = 32

// MaxToken is the size in bytes above which a token is not looked at. The largest that Seal makes has 326.
const MaxToken = 512

// MaxHandoffAge is how long a session handed to another host may be taken over there.
const MaxHandoffAge = 5 * time.Minute

var (
	// ErrSecret is returned for secrets that cannot seal. No error repeats a secret.
	ErrSecret = errors.New("unusable secret")
	// ErrToken is returned for everything that does not open: foreign, altered, of another network, not a token.
	ErrToken = errors.New("not a token of ours")
)

// Sealer seals and opens tokens. It may be used by many goroutines.
type Sealer struct {
	keys []tokenKey // the first seals, all open
}

type tokenKey struct {
	id      string // in the token's text, derived from the secret
	aead    cipher.AEAD
	address []byte // the key of HashIP
	root    []byte // of the keys for other purposes
}

// The purposes of a sealed text, in its additional data, so that none can stand in for another.
const (
	purposeVisitor = "caddy-affiliate visitor token v1\x00"
	purposeHandoff = "caddy-affiliate handoff token v1\x00"
)

const tokenVersion = "v1."

// NewSealer derives a key from each secret with HKDF-SHA256. The first seals, all open. Space around a secret does not
// count, since files end with a newline. It returns ErrSecret for none, and for one that is empty or shorter than
// MinSecret characters.
func NewSealer(secrets []string) (*Sealer, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: none is given", ErrSecret)
	}
	s := &Sealer{}
	for i, secret := range secrets {
		secret = strings.TrimSpace(secret)
		if secret == "" {
			return nil, fmt.Errorf("%w: number %d is empty", ErrSecret, i+1)
		}
		if n := utf8.RuneCountInString(secret); n < MinSecret {
			return nil, fmt.Errorf("%w: number %d has %d characters, at least %d are needed", ErrSecret, i+1, n, MinSecret)
		}
		key, err := newTokenKey(secret)
		if err != nil {
			return nil, fmt.Errorf("deriving the key of secret %d: %w", i+1, err)
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

func newTokenKey(secret string) (tokenKey, error) {
	derive := func(info string, size int) ([]byte, error) {
		return hkdf.Key(sha256.New, []byte(secret), nil, info, size)
	}
	id, err := derive("caddy-affiliate key id v1", 6)
	if err != nil {
		return tokenKey{}, err
	}
	key, err := derive("caddy-affiliate token key v1", chacha20poly1305.KeySize)
	if err != nil {
		return tokenKey{}, err
	}
	address, err := derive("caddy-affiliate address key v1", sha256.Size)
	if err != nil {
		return tokenKey{}, err
	}
	root, err := derive("caddy-affiliate root key v1", sha256.Size)
	if err != nil {
		return tokenKey{}, err
	}
	aead, err := chacha20poly1305.NewX(key)
	return tokenKey{id: base64.RawURLEncoding.EncodeToString(id), aead: aead, address: address, root: root}, err
}

// Keys returns 32 bytes for that purpose from each secret, in their order: the first signs, all are good for checking.
func (s *Sealer) Keys(purpose string) [][]byte {
	var keys [][]byte
	for _, k := range s.keys {
		key, err := hkdf.Expand(sha256.New, k.root, "caddy-affiliate "+purpose, sha256.Size)
		if err != nil {
			continue // only for sizes that HKDF cannot make
		}
		keys = append(keys, key)
	}
	return keys
}

// Seal returns the token as v1.<key id>.<base64url>: XChaCha20-Poly1305 under a random nonce, with purpose and network in
// the additional data. It returns ErrCode for a touch that no link can have made.
func (s *Sealer) Seal(t Token) (string, error) {
	content := make([]byte, 0, 1+len(t.Visitor)+2*touchSize+len(t.First.Code)+len(t.Last.Code))
	content = append(content, t.Flags)
	content = append(content, t.Visitor[:]...)
	for _, touch := range t.touches() {
		if err := CheckCode(touch.Code); err != nil {
			return "", fmt.Errorf("sealing a token: %w", err)
		}
		content = appendTouch(content, touch)
	}
	return s.seal(purposeVisitor, t.Network, content), nil
}

// Open opens a token of that network. It returns ErrToken for everything else; what is longer than MaxToken is not even
// decoded.
func (s *Sealer) Open(network, token string) (Token, error) {
	content, ok := s.open(purposeVisitor, network, token)
	if !ok || len(content) < 17 {
		return Token{}, ErrToken
	}
	t := Token{Network: network, Flags: content[0], Visitor: VisitorID(content[1:17])}
	content = content[17:]
	if len(content) == 0 {
		return t, nil
	}
	if t.First, content, ok = cutTouch(content); !ok {
		return Token{}, ErrToken
	}
	t.Last = t.First
	if len(content) > 0 {
		if t.Last, content, ok = cutTouch(content); !ok || len(content) > 0 {
			return Token{}, ErrToken
		}
	}
	return t, nil
}

// SealHandoff seals a visitor's touch for another host of the network, which takes the session over from a URL.
// OpenHandoff refuses it MaxHandoffAge after now.
func (s *Sealer) SealHandoff(network string, visitor VisitorID, touch Touch, now time.Time) (string, error) {
	if err := CheckCode(touch.Code); err != nil {
		return "", fmt.Errorf("sealing a handoff: %w", err)
	}
	content := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))
	content = append(content, visitor[:]...)
	return s.seal(purposeHandoff, network, appendTouch(content, touch)), nil
}

// OpenHandoff opens what SealHandoff sealed at most MaxHandoffAge before now. It returns ErrToken for everything else.
func (s *Sealer) OpenHandoff(network, token string, now time.Time) (VisitorID, Touch, error) {
	content, ok := s.open(purposeHandoff, network, token)
	if !ok || len(content) < 24 {
		return VisitorID{}, Touch{}, ErrToken
	}
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(content))))
	touch, rest, ok := cutTouch(content[24:])
	if !ok || len(rest) > 0 || age > MaxHandoffAge || age < -MaxHandoffAge { // the hosts' clocks may differ
		return VisitorID{}, Touch{}, ErrToken
	}
	return VisitorID(content[8:24]), touch, nil
}

func (s *Sealer) seal(purpose, network string, content []byte) string {
	key := s.keys[0]
	sealed := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(content)+chacha20poly1305.Overhead)
	rand.Read(sealed)
	sealed = key.aead.Seal(sealed, sealed, content, additionalData(purpose, network))
	text := make([]byte, 0, MaxToken)
	text = append(text, tokenVersion...)
	text = append(text, key.id...)
	text = append(text, '.')
	return string(tokenEncoding.AppendEncode(text, sealed))
}

// tokenEncoding refuses what decodes to the same bytes as another text, so that no token has two forms.
var tokenEncoding = base64.RawURLEncoding.Strict()

// smallestSealed is the number of characters of what is sealed of a visitor without a touch.
const smallestSealed = (chacha20poly1305.NonceSizeX + 17 + chacha20poly1305.Overhead) * 8 / 6

// mayOpen is the cheap test: where it says no, open does not decrypt.
func (s *Sealer) mayOpen(token string) bool {
	key, text := s.split(token)
	return key != nil && len(text) >= smallestSealed
}

// split returns the key that a text names and what is sealed with it; no key for what is no token of ours.
func (s *Sealer) split(token string) (key *tokenKey, sealed string) {
	rest, ok := strings.CutPrefix(token, tokenVersion)
	id, sealed, found := strings.Cut(rest, ".")
	if !ok || !found || len(token) > MaxToken {
		return nil, ""
	}
	return s.key(id), sealed
}

func (s *Sealer) open(purpose, network, token string) ([]byte, bool) {
	key, text := s.split(token)
	if key == nil || strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return nil, false
	}
	sealed, err := tokenEncoding.DecodeString(text)
	if err != nil || len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, false
	}
	nonce, body := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	content, err := key.aead.Open(body[:0], nonce, body, additionalData(purpose, network))
	return content, err == nil
}

func (s *Sealer) key(id string) *tokenKey {
	for i := range s.keys {
		if s.keys[i].id == id {
			return &s.keys[i]
		}
	}
	return nil
}

// additionalData binds a sealed text to its purpose, which ends with NUL, and its network.
func additionalData(purpose, network string) []byte {
	data := make([]byte, 0, len(purpose)+len(network))
	return append(append(data, purpose...), network...)
}

package tracker

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A key's text is "aff_", its id, "_" and its secret: 32 random bytes in base64url. KeyIDSize is the length of the id.
const (
	keyPrefix  = "aff_"
	KeyIDSize  = 12
	secretSize = 32
	keySize    = len(keyPrefix) + KeyIDSize + 1 + 43
)

var secretEncoding = base64.RawURLEncoding.Strict()

// NewKey makes a key and its text, which is shown once and kept nowhere.
func NewKey(network, name string, scopes []Scope, rate int, now time.Time) (k Key, text string) {
	var secret [secretSize]byte
	rand.Read(secret[:])
	encoded := secretEncoding.EncodeToString(secret[:])
	k = Key{
		ID:        strings.ToLower(rand.Text()[:KeyIDSize]),
		Network:   network,
		Name:      name,
		Scopes:    slices.Clone(scopes),
		Rate:      rate,
		CreatedAt: now.UTC().Truncate(time.Millisecond),
		Hash:      HashSecret(encoded),
	}
	return k, keyPrefix + k.ID + "_" + encoded
}

// ParseKey splits a key's text into its id and its secret. ok is false for what NewKey cannot have written.
func ParseKey(text string) (id, secret string, ok bool) {
	if len(text) != keySize || !strings.HasPrefix(text, keyPrefix) {
		return "", "", false
	}
	text = text[len(keyPrefix):]
	id, secret = text[:KeyIDSize], text[KeyIDSize+1:]
	decoded, err := secretEncoding.DecodeString(secret)
	if err != nil || len(decoded) != secretSize || text[KeyIDSize] != '_' || !isKeyID(id) { // base64 skips line ends
		return "", "", false
	}
	return id, secret, true
}

// isKeyID reports whether each byte is of base32's alphabet, in lower case.
func isKeyID(id string) bool { return strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") == "" }

// HashSecret returns what the books keep of a secret: its SHA-256 in hexadecimal digits. The secret is random and long,
// so nothing slower is needed.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// noHash is a hash that no secret has.
var noHash = strings.Repeat("-", 2*sha256.Size)

// Matches reports whether the secret is the key's. It takes as long if it is not, and as long for a zero key, which stands
// for one that the books do not know and matches nothing. It does not look at RevokedAt.
func (k *Key) Matches(secret string) bool {
	hash := k.Hash
	if len(hash) != len(noHash) {
		hash = noHash
	}
	return subtle.ConstantTimeCompare([]byte(hash), []byte(HashSecret(secret))) == 1
}

// Allows reports whether the key may do s. To write does not imply to read, and ScopeRead does not imply scopePerson.
func (k *Key) Allows(s Scope) bool {
	for _, scope := range k.Scopes {
		reads := scope == ScopeRead && strings.HasSuffix(string(s), ":read") && s != scopePerson
		if scope == ScopeAll || scope == s || reads {
			return true
		}
	}
	return false
}

// Grants reports whether the key may hand all these scopes on, for which it must have them itself.
func (k *Key) Grants(scopes []Scope) bool {
	for _, scope := range scopes {
		if !k.Allows(scope) {
			return false
		}
	}
	return true
}

// MaxRate is the most requests per second that a key may be given.
const MaxRate = 10_000

// Check trims the name and returns an Invalid if anything is wrong with what is said of a new key.
func (k *Key) Check() error {
	var wrong Invalid
	wrong.err("network", CheckNetwork(k.Network))
	k.Name = strings.TrimSpace(k.Name)
	wrong.required("name", k.Name, MaxName)
	wrong.scopes(k.Scopes)
	if k.Rate < 0 || k.Rate > MaxRate {
		wrong.Add("rate", fmt.Sprintf("is not from 0 to %d requests per second", MaxRate))
	}
	return wrong.Err()
}

// scopes adds what is wrong unless there is a scope, all are known and none is given twice.
func (e *Invalid) scopes(scopes []Scope) {
	if len(scopes) == 0 {
		e.Add("scopes", "at least one is required")
	}
	if e.tooMany("scopes", len(scopes), 2*len(Resources)+2) {
		return
	}
	for i, scope := range scopes {
		field := fmt.Sprintf("scopes[%d]", i)
		if !isScope(scope) {
			e.Add(field, "is not *, read, or one of "+strings.Join(Resources, ", ")+" with :read or :write (reports are only read)")
		} else if slices.Contains(scopes[:i], scope) {
			e.Add(field, "is there twice")
		}
	}
}

func isScope(s Scope) bool {
	if s == ScopeAll || s == ScopeRead {
		return true
	}
	resource, what, _ := strings.Cut(string(s), ":")
	return slices.Contains(Resources, resource) && (what == "read" || what == "write" && resource != "reports")
}

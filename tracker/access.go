package tracker

import "time"

// Scope is a permission of a key: a resource and what may be done with it, or one of the two that stand for many.
type Scope string

// The scopes. ScopeAll stands for all, ScopeRead for all that read but privacy:read.
const (
	ScopeAll  Scope = "*"
	ScopeRead Scope = "read"
)

// scopePerson is to read everything about a person at once. It has to be given by name.
const scopePerson Scope = "privacy:read"

// Resources are what scopes are made of: each has RESOURCE:read and RESOURCE:write, but reports, which are only read.
var Resources = []string{"affiliates", "campaigns", "links", "sessions", "customers", "transactions", "conversions", "keys", "reports", "privacy", "deliveries"}

// Key is a key of the API, as the books keep it: never the secret itself.
type Key struct {
	ID         string     `json:"id"` // 12 characters, the public part of the key
	Network    string     `json:"network"`
	Name       string     `json:"name"`
	Scopes     []Scope    `json:"scopes"`
	Rate       int        `json:"rate"` // requests per second, with bursts of twice as many; 0: DefaultRate
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"` // to the minute
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`

	Hash string `json:"-"` // of the secret, see HashSecret
}

// DefaultRate is how many requests per second a key may make where nothing else is said.
const DefaultRate = 100

// PerSecond is how many requests per second the key may make.
func (k *Key) PerSecond() int {
	if k.Rate <= 0 {
		return DefaultRate
	}
	return k.Rate
}

// Package relay carries records from the edges to the hubs through Redis: one stream for each origin.
//
// Redis is a cache of the journal that anybody may damage. An edge appends only to a stream that ends where it expects, and
// sends again whatever is missing; a hub takes only entries whose checksum holds. So nothing here retries, remembers a
// position or trusts what it finds, and any value that a stranger left under one of our keys counts as absent.
//
// # Keys
//
//	affiliate:origins               sorted set: every origin that may have entries; score = last announcement, ms
//	affiliate:{<origin>}:events     stream: entry n-0 is the origin's record number n
//	affiliate:{<origin>}:cursor     hash: cursor, settled (copies of the ledger's)
//	affiliate:{<origin>}:parked     set: the <ms> of the parked streams
//	affiliate:{<origin>}:parked:<ms> stream: what stood here before an edge with an older disk began again
//	affiliate:links                 hash: ledger_id, version, table (the links for edges without a ledger)
//	affiliate:erased                set: hashes of who was erased (for edges without a ledger)
//
// The keys of one origin share a hash tag, so that scripts work on a Redis Cluster.
//
// # Entries
//
// The fields of an entry are a public contract, readable by any Redis client: v (the record's version), crc (eight
// hexadecimal digits: tracker.Checksum), then the fields of the record by their public names, in the record's order. A
// record that cannot be written so has the single field raw, its encoded bytes, after v and crc.
package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrFull is returned by Append when Redis is at its maxmemory and takes no more. Nothing of the call was done.
var ErrFull = errors.New("the relay is full: Redis is out of memory")

// maxSeq is the first number that no origin reaches: at a million records a second it takes eleven days, and an entry
// that a stranger adds with `XADD *` has the milliseconds since 1970, which are more.
const maxSeq = 1_000_000_000_000

const originsKey = "affiliate:origins"

func eventsKey(origin string) string       { return "affiliate:{" + origin + "}:events" }
func cursorKey(origin string) string       { return "affiliate:{" + origin + "}:cursor" }
func parkedIndex(origin string) string     { return "affiliate:{" + origin + "}:parked" }
func parkedKey(origin, name string) string { return parkedIndex(origin) + ":" + name }

// Relay is a client of the Redis between edges and hubs. All methods may be called concurrently. A context's deadline
// bounds each call; without one the client's timeouts do.
type Relay struct {
	client  redis.UniversalClient
	encoder atomic.Pointer[encoder] // with the buffer of the last call, for the next
}

// Open returns a relay over Redis, one server, Sentinel or Cluster as the options say. It never dials: an absent Redis
// shows in the first call. Where the options are silent: 1 s to dial, 3 s to read and write, no retries (a call whose
// answer is lost is asked again by the protocol), one attempt to dial. The options are copied.
func Open(o *redis.UniversalOptions) *Relay {
	c := *o
	c.ContextTimeoutEnabled = true
	if c.MaxRetries == 0 {
		c.MaxRetries = -1
	}
	if c.DialerRetries == 0 {
		c.DialerRetries = 1 // go-redis makes five attempts for each command
	}
	if c.PipelinePoolSize == 0 {
		c.PipelinePoolSize = -1 // a second pool would double the connections
	}
	for timeout, unset := range map[*time.Duration]time.Duration{
		&c.DialTimeout: time.Second, &c.ReadTimeout: 3 * time.Second, &c.WriteTimeout: 3 * time.Second,
	} {
		if *timeout == 0 {
			*timeout = unset
		}
	}
	if c.MaintNotificationsConfig == nil {
		c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
	return &Relay{client: redis.NewUniversalClient(&c)}
}

// Close closes the connections.
func (r *Relay) Close() error { return r.client.Close() }

// Policy returns Redis's maxmemory policy, and whether it may evict what edges append: any allkeys-* does, even before
// a limit is set. (volatile-* reaches only keys that expire, which heal.) Of a cluster's masters, one that evicts decides.
// policy is empty where the server does not tell.
func (r *Relay) Policy(ctx context.Context) (policy string, evicts bool, err error) {
	var mu sync.Mutex
	err = r.eachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if p := policyOf(info); policy == "" || strings.HasPrefix(p, "allkeys-") {
			policy = p
		}
		return nil
	})
	if err = done("policy", err); err != nil {
		return "", false, fmt.Errorf("reading Redis's memory policy: %w", err)
	}
	return policy, strings.HasPrefix(policy, "allkeys-"), nil
}

// policyOf finds the policy in the answer of INFO memory.
func policyOf(info string) string {
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(line, "maxmemory_policy:"); ok {
			return strings.TrimSpace(policy)
		}
	}
	return ""
}

// eachMaster calls f for the one server, or concurrently for every master of a cluster.
func (r *Relay) eachMaster(ctx context.Context, f func(context.Context, *redis.Client) error) error {
	switch c := r.client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, f)
	case *redis.Client:
		return f(ctx, c)
	default:
		return fmt.Errorf("walking the masters of a %T: unknown kind of client", c)
	}
}

// isOrigin reports whether s may name an origin. Members and keys that strangers made must not reach other keys.
func isOrigin(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// idle is how long a finished origin's keys, and its place among the announced, outlive it: 7 days.
const idle = 7 * 24 * time.Hour

// Origins lists the announced origins.
func (r *Relay) Origins(ctx context.Context) ([]string, error) {
	members, err := r.client.ZRange(ctx, originsKey, 0, -1).Result()
	if err = done("origins", absentIfForeign(err)); err != nil {
		return nil, fmt.Errorf("listing the announced origins: %w", err)
	}
	origins := members[:0]
	for _, m := range members {
		if isOrigin(m) {
			origins = append(origins, m)
		}
	}
	return origins, nil
}

// Adopt walks all keys of all masters, announces the origins that have a stream and are not announced, and returns them.
// It drops the announced origins that have no stream and were not announced for 7 days.
func (r *Relay) Adopt(ctx context.Context) (adopted []string, err error) {
	streams, err := r.streams(ctx)
	if err = done("scan", err); err != nil {
		return nil, fmt.Errorf("looking for streams: %w", err)
	}
	args := []any{"adopt"}
	for origin, parked := range streams {
		args = append(args, origin)
		if len(parked) == 0 {
			continue
		}
		if err := done("adopt", r.index(ctx, origin, parked)); err != nil {
			return nil, fmt.Errorf("adopting the parked streams of origin %s: %w", origin, err)
		}
	}
	if len(args) > 1 {
		adopted, err = announceScript.Run(ctx, r.client, []string{originsKey}, args...).StringSlice()
		if err = done("adopt", err); err != nil {
			return nil, fmt.Errorf("adopting origins: %w", err)
		}
		adoptedTotal.Add(float64(len(adopted)))
	}
	return adopted, r.drop(ctx, streams)
}

// index enters parked streams into the origin's index, in place of whatever a stranger put there.
func (r *Relay) index(ctx context.Context, origin string, parked []any) error {
	key := parkedIndex(origin)
	err := r.client.SAdd(ctx, key, parked...).Err()
	if !redis.HasErrorPrefix(err, "WRONGTYPE") {
		return err
	}
	_, err = r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, key)
		p.SAdd(ctx, key, parked...)
		return nil
	})
	return err
}

// streams finds every origin that has a stream, with the names of its parked ones.
func (r *Relay) streams(ctx context.Context) (map[string][]any, error) {
	var mu sync.Mutex
	found := map[string][]any{}
	err := r.eachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		keys := c.ScanType(ctx, 0, "affiliate:{*}:*", 1000, "stream").Iterator()
		for keys.Next(ctx) {
			origin, parked, ok := parseStreamKey(keys.Val())
			if !ok {
				continue
			}
			mu.Lock()
			if parked != "" {
				found[origin] = append(found[origin], parked)
			} else if _, known := found[origin]; !known {
				found[origin] = nil
			}
			mu.Unlock()
		}
		return keys.Err()
	})
	return found, err
}

// parseStreamKey takes the key of a stream apart; parked is empty for an origin's own.
func parseStreamKey(key string) (origin, parked string, ok bool) {
	rest, ok := strings.CutPrefix(key, "affiliate:{")
	if !ok {
		return "", "", false
	}
	origin, rest, ok = strings.Cut(rest, "}:")
	if !ok || !isOrigin(origin) {
		return "", "", false
	}
	if rest == "events" {
		return origin, "", true
	}
	parked, ok = strings.CutPrefix(rest, "parked:")
	return origin, parked, ok && parked != ""
}

// drop removes what is idle from the announced set. Members that name no origin were never announced by an edge.
func (r *Relay) drop(ctx context.Context, streams map[string][]any) error {
	members, err := r.client.ZRange(ctx, originsKey, 0, -1).Result()
	if err = absentIfForeign(err); err != nil {
		return fmt.Errorf("listing the announced origins: %w", done("drop", err))
	}
	args := []any{idle.Milliseconds()}
	for _, m := range members {
		if _, ok := streams[m]; !ok {
			args = append(args, m)
		}
	}
	if len(args) == 1 {
		return nil
	}
	if err := done("drop", dropScript.Run(ctx, r.client, []string{originsKey}, args...).Err()); err != nil {
		return fmt.Errorf("dropping idle origins: %w", err)
	}
	return nil
}

// Key is what is published for an origin, and where its stream begins.
type Key struct {
	Origin          string
	Cursor, Settled int64  // -1 absent
	First           uint64 // lowest number in the stream, 0 if it is empty; any id, strangers' included
	Parked          bool   // there are parked streams
}

// Keys returns the keys of many origins, in their order, in one round trip.
func (r *Relay) Keys(ctx context.Context, origins []string) ([]Key, error) {
	pipe := r.client.Pipeline()
	at := make([]*redis.SliceCmd, len(origins))
	first := make([]*redis.Cmd, len(origins))
	parked := make([]*redis.IntCmd, len(origins))
	for i, origin := range origins {
		at[i] = pipe.HMGet(ctx, cursorKey(origin), "cursor", "settled")
		first[i] = pipe.Do(ctx, "XRANGE", eventsKey(origin), "-", "+", "COUNT", 1)
		parked[i] = pipe.Exists(ctx, parkedIndex(origin))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	keys := make([]Key, len(origins))
	for i, origin := range origins {
		keys[i] = Key{Origin: origin, Cursor: -1, Settled: -1}
		if err := done("key", absentIfForeign(at[i].Err())); err != nil {
			return nil, fmt.Errorf("reading the cursor of origin %s: %w", origin, err)
		}
		if err := done("key", absentIfForeign(first[i].Err())); err != nil {
			return nil, fmt.Errorf("reading the start of origin %s: %w", origin, err)
		}
		if err := done("key", parked[i].Err()); err != nil {
			return nil, fmt.Errorf("looking for parked streams of origin %s: %w", origin, err)
		}
		keys[i].Parked = parked[i].Val() > 0
		if v := at[i].Val(); len(v) == 2 {
			keys[i].Cursor, keys[i].Settled = position(v[0]), position(v[1])
		}
		for _, m := range messages(first[i].Val()) {
			ms, _, _ := strings.Cut(m.id, "-")
			keys[i].First, _ = strconv.ParseUint(ms, 10, 64)
		}
	}
	return keys, nil
}

// PublishCommit publishes what a hub has just committed: cursor and settled only rise, and the entries up to the cursor go.
func (r *Relay) PublishCommit(ctx context.Context, origin string, cursor, settled uint64) error {
	_, err := r.publish(ctx, "commit", origin, "", cursor, settled)
	return err
}

// PublishPass publishes the ledger's cursor, which may be lower, unless the key has changed since it was seen (-1: it was
// absent). The key must be read before the ledger. It reports whether it published.
func (r *Relay) PublishPass(ctx context.Context, origin string, seen int64, cursor, settled uint64) (bool, error) {
	expected := ""
	if seen >= 0 {
		expected = strconv.FormatInt(seen, 10)
	}
	return r.publish(ctx, "pass", origin, expected, cursor, settled)
}

func (r *Relay) publish(ctx context.Context, mode, origin, seen string, cursor, settled uint64) (bool, error) {
	n, err := publishScript.Run(ctx, r.client, []string{eventsKey(origin), cursorKey(origin)},
		mode, cursor, settled, cursor+1, seen, idle.Milliseconds()).Int()
	if err = done("publish_"+mode, err); err != nil {
		return false, fmt.Errorf("publishing the cursor of origin %s: %w", origin, err)
	}
	return n == 1, nil
}

// DropParked trims the origin's parked streams up to the cursor and removes those that are empty then.
func (r *Relay) DropParked(ctx context.Context, origin string, cursor uint64) error {
	names, err := r.client.SMembers(ctx, parkedIndex(origin)).Result()
	if err = done("parked", absentIfForeign(err)); err != nil {
		return fmt.Errorf("listing the parked streams of origin %s: %w", origin, err)
	}
	for _, name := range names {
		keys := []string{parkedIndex(origin), parkedKey(origin, name)}
		if err := done("parked", dropParkedScript.Run(ctx, r.client, keys, name, cursor+1).Err()); err != nil {
			return fmt.Errorf("dropping a parked stream of origin %s: %w", origin, err)
		}
	}
	return nil
}

// absentIfForeign takes a key of another type, which no edge or hub made, for an absent one.
func absentIfForeign(err error) error {
	if errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE") {
		return nil
	}
	return err
}
